//! `sluice top`: all queues, live, in a terminal.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, stdout},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde_json::Value;
use tokio::{runtime::Builder, time::sleep};

use super::client::{Api, Client};
use crate::{
    commands::{Failed, console},
    life::asked_to_end,
};

/// Every queue now, again and again: who waits, who is inside, how fast it moves, and why it does not. Ends with Ctrl-C.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Options {
    #[command(flatten)]
    api: Api,
    /// Show it once.
    #[arg(long)]
    once: bool,
    /// Print JSON, one array a line.
    #[arg(long)]
    json: bool,
    /// How often it is looked at, from 1s.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = every)]
    every: Duration,
    /// Show queues of this tenant only.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

fn every(written: &str) -> Result<Duration, String> {
    match humantime::parse_duration(written) {
        Ok(every) if every >= Duration::from_secs(1) => Ok(every),
        _ => Err("write a duration from 1s, such as 2s".into()),
    }
}

/// The alternate screen of a terminal, which is left as it was found.
struct Screen;

impl Screen {
    fn open() -> Self {
        console::write("\x1b[?1049h\x1b[?25l");
        Self
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        console::write("\x1b[?25h\x1b[?1049l");
    }
}

pub(in crate::commands) fn run(options: &Options) -> Result<(), Failed> {
    let client = Client::new(&options.api)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Whatever is wrong is said at once, and on the terminal as it was.
        let first = look(&client, options).await?;
        if options.once {
            console::say(first);
            return Ok(());
        }
        tokio::select! {
            () = show(&client, options, first) => {}
            () = asked_to_end() => {}
        }
        Ok(())
    })
}

async fn show(client: &Client, options: &Options, mut text: String) {
    let is_screen = stdout().is_terminal() && !options.json;
    let _screen = is_screen.then(Screen::open);
    loop {
        match is_screen {
            true => console::write(&screen(&text)),
            false => console::say(&text),
        }
        sleep(options.every).await;
        text = match look(client, options).await {
            Ok(text) => text,
            Err(Failed::Because(why)) if is_screen => format!("{why}\n\n(tried again)\n"),
            Err(Failed::Because(why)) => {
                console::complain(format_args!("sluice: {why}"));
                continue;
            }
            Err(Failed::Config(_) | Failed::Said(_)) => continue,
        };
    }
}

/// The whole screen anew, without a flicker: each line is overwritten and cleared to its end.
fn screen(text: &str) -> String {
    let mut out = "\x1b[H".to_owned();
    for line in text.lines() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{line}\x1b[K\r\n");
    }
    out + "\x1b[J"
}

async fn look(client: &Client, options: &Options) -> Result<String, Failed> {
    let queues = client.get("/v1/queues").await?;
    let mut queues = queues.as_array().cloned().unwrap_or_default();
    if let Some(tenant) = &options.tenant {
        queues.retain(|queue| queue["tenant"] == **tenant);
    }
    Ok(if options.json { Value::Array(queues).to_string() } else { table(&queues) })
}

const HEAD: [&str; 9] = ["queue", "mode", "waiting", "wait", "called/min", "called", "inside", "set", "why not"];

fn table(queues: &[Value]) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(HEAD);
    for queue in queues {
        let (live, now) = (&queue["live"], &queue["effective"]);
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let inside = match now["max_active"].as_u64() {
            Some(most) => format!("{}/{most}", number(&live["inside"])),
            None => number(&live["inside"]).to_string(),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        table.add_row([
            format!("{}/{}", text(&queue["tenant"]), text(&queue["queue"])),
            text(&now["mode"]),
            number(&live["waiting"]).to_string(),
            wait(&live["wait_seconds"]),
            format!("{}/{}", number(&live["called_last_minute"]), number(&now["release_per_minute"])),
            number(&live["called"]).to_string(),
            inside,
            set(&queue["override"]),
            why(queue),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for column in [2, 4, 5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

fn wait(range: &Value) -> String {
    let span = |seconds: u64| match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3_600.0),
    };
    match (range["low"].as_u64(), range["high"].as_u64()) {
        (_, Some(0)) => "none".to_owned(),
        (Some(low), Some(high)) => format!("{} to {}", span(low), span(high)),
        _ => "-".to_owned(),
    }
}

fn set(set: &Value) -> String {
    match (set.is_null(), set["actor"].as_str()) {
        (false, Some(actor)) => format!("by {}", actor.trim_start_matches("person:")),
        (false, None) => "yes".to_owned(),
        (true, _) => String::new(),
    }
}

/// Why no visitor is called, or what is wrong.
fn why(queue: &Value) -> String {
    let live = &queue["live"];
    let mut all = Vec::new();
    if live["store_up"] == false {
        all.push("no store".to_owned());
    }
    if let Some(reason) = live["reason"].as_str() {
        all.push(reason.replace('_', " "));
    }
    if queue["disagreements"].as_array().is_some_and(|all| !all.is_empty()) {
        all.push("nodes disagree".to_owned());
    }
    if let Some(age_ms) = live["age_ms"].as_u64().filter(|age_ms| *age_ms > 10_000) {
        all.push(format!("{} s old", age_ms / 1_000));
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_what_limits_the_queue() {
        let live = json!({ "waiting": 12, "called": 3, "inside": 7, "called_last_minute": 55, "reason": "seats_taken",
            "store_up": false, "age_ms": 20_000, "wait_seconds": { "low": 30, "high": 400 } });
        let effective = json!({ "release_per_minute": 60, "max_active": 10, "mode": "auto" });
        let queue = json!({ "tenant": "shop", "queue": "sale", "live": live, "effective": effective,
            "override": { "actor": "person:ann" }, "disagreements": ["x"] });
        let shown = table(&[queue]);
        let words: Vec<_> = shown.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        let expected =
            "shop/sale auto 12 30 s to 7 min 55/60 3 7/10 by ann no store, seats taken, nodes disagree, 20 s old";
        assert_eq!(words.join(" "), expected, "{shown}");
        assert!(screen(&shown).starts_with("\x1b[H") && screen(&shown).ends_with("\x1b[J"));
    }

    #[test]
    fn waits_are_in_words() {
        let shown = |low: u64, high: u64| wait(&json!({ "low": low, "high": high }));
        assert_eq!(
            (shown(0, 0), shown(5, 89), shown(91, 9_000)),
            ("none".into(), "5 s to 89 s".into(), "2 min to 2.5 h".into())
        );
        assert_eq!(wait(&Value::Null), "-");
    }
}
