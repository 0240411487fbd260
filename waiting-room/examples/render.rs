//! Writes one of each page into a directory, to look at or to show around.
//!
//! ```text
//! cargo run -p sluice-waiting-room --example render -- DIR [LANGUAGE]
//! ```

use std::{env, fs, io, path::PathBuf, process::ExitCode};

use sluice_config::{Language, settings::Name};
use sluice_waiting_room::{
    page::{Encoding, Pages, Reader},
    showcase::{EXAMPLES, Scene},
};

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
    let queue = Name::new("shop").ok_or(io::ErrorKind::InvalidInput)?;
    let language = env::args().nth(2).and_then(|tag| Language::of(&tag));
    let scene = Scene {
        reader: Reader { site: "shop.example.com", language, encoding: Encoding::Identity },
        queue: &queue,
        message: Some("Tickets are still available.\nThe sale runs until Friday, 18:00."),
        now_s: 1_763_712_000,
    };
    for example in &EXAMPLES {
        fs::write(dir.join(format!("{}.html", example.name)), example.page(Pages::of_no_tenant(), &scene))?;
    }
    Ok(())
}
