//! Writes a page for each state into a directory, to look at or to show around.
//!
//! ```text
//! cargo run -p sluice-waiting-room --example render -- DIR [LANGUAGE]
//! ```

use std::{env, fs, io, path::PathBuf, process::ExitCode};

use sluice_admission::standing::{Reason, Standing, State, WaitRange};
use sluice_config::{ClosedAs, Language, settings::Name};
use sluice_waiting_room::page::{Encoding, Form, PageInput, Pages, Reader, Refusal, SentBy};

const SITE: &str = "shop.example.com";
const MESSAGE: &str = "Tickets are still available.\nThe sale runs until Friday, 18:00.";

fn main() -> ExitCode {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: render DIR [LANGUAGE]");
        return ExitCode::FAILURE;
    };
    match write_all(&dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(dir: &std::path::Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let language = env::args().nth(2).and_then(|tag| Language::of(&tag));
    let reader = |site| Reader { site, language, encoding: Encoding::Identity };
    let pages = Pages::of_no_tenant();
    let queue = Name::new("shop").ok_or(io::ErrorKind::InvalidInput)?;
    for (name, standing, message) in standings() {
        let input = PageInput {
            reader: reader(SITE),
            queue: &queue,
            closed_as: ClosedAs::Closed,
            standing: &standing,
            message,
        };
        fs::write(dir.join(format!("{name}.html")), pages.waiting(&input))?;
        let fields = [("order".to_owned(), "4711".to_owned())];
        let held = Form { fields: Some(&fields), sent_by: &SentBy::Site("pay.example.net".into()), line_path: "/" };
        fs::write(dir.join(format!("form-{name}.html")), pages.form_unsent(&input, &held))?;
        let not_held = Form { fields: None, sent_by: &SentBy::ThisSite, line_path: "/" };
        fs::write(dir.join(format!("form-before-{name}.html")), pages.form_unsent(&input, &not_held))?;
    }
    fs::write(dir.join("left.html"), pages.left(reader(SITE), "/"))?;
    let refusal = Refusal::BadRequest("its path contains an encoded slash");
    fs::write(dir.join("bad-request.html"), pages.refused(reader(SITE), refusal))?;
    fs::write(dir.join("unknown-site.html"), pages.refused(reader("shop.example.org"), Refusal::UnknownSite))
}

type Example = (&'static str, Standing, Option<&'static str>);

fn standings() -> Vec<Example> {
    let waiting = Standing {
        state: State::Waiting,
        number: Some(4711),
        ahead: Some(812),
        behind: Some(1290),
        wait: Some(WaitRange { low_s: 140, high_s: 230 }),
        progress: Some(0.42),
        poll_after_s: 8,
        reason: None,
        server_time_s: 1_763_712_000,
    };
    let held = Standing { state: State::Held, wait: None, ..waiting };
    let outside = Standing { number: None, ahead: None, behind: None, progress: None, ..held };
    vec![
        ("joining", Standing { state: State::Joining, ..outside }, None),
        ("waiting", waiting, Some(MESSAGE)),
        (
            "waiting-far",
            Standing {
                ahead: Some(1_048_576),
                progress: Some(0.01),
                wait: Some(WaitRange { low_s: 13_000, high_s: 19_000 }),
                ..waiting
            },
            None,
        ),
        ("waiting-next", Standing { ahead: Some(0), progress: Some(0.99), ..waiting }, None),
        ("waiting-unknown", Standing { wait: None, ..waiting }, None),
        ("seats-taken", Standing { wait: None, reason: Some(Reason::SeatsTaken), ..waiting }, None),
        ("called", Standing { state: State::Called, ..waiting }, None),
        ("admitted", Standing { state: State::Admitted, ..waiting }, None),
        ("held", Standing { reason: Some(Reason::Paused), ..held }, Some(MESSAGE)),
        ("store-away", Standing { reason: Some(Reason::StoreAway), ..held }, None),
        ("recovering", Standing { reason: Some(Reason::Recovering), ..held }, None),
        ("closed", Standing { state: State::Closed, reason: Some(Reason::Closed), ..outside }, None),
        ("full", Standing { state: State::Full, reason: Some(Reason::LineFull), ..outside }, None),
    ]
}
