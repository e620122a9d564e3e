//! Progress on a terminal: what is done, how fast, how long still.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::Pace;

/// Bars on stderr when it is a terminal; silent otherwise.
pub struct Bars<'a> {
    is_shown: bool,
    seconds: &'a (dyn Fn() -> f64 + Sync),
    current: Mutex<Option<ProgressBar>>,
}

impl<'a> Bars<'a> {
    /// Bars that are drawn only if `is_shown`; `seconds` is the time since some fixed point.
    pub fn new(is_shown: bool, seconds: &'a (dyn Fn() -> f64 + Sync)) -> Bars<'a> {
        Bars { is_shown, seconds, current: Mutex::new(None) }
    }

    /// Runs `act` on the bar; a lock that another thread left poisoned costs only a bar.
    fn with(&self, act: impl FnOnce(&mut Option<ProgressBar>)) {
        if let Ok(mut bar) = self.current.lock() {
            act(&mut bar);
        }
    }
}

impl Pace for Bars<'_> {
    fn begin(&self, stage: &str, total: Option<u64>, unit: &'static str) {
        if self.is_shown {
            self.with(|bar| {
                if let Some(old) = bar.replace(drawn(stage, total, unit)) {
                    old.finish_and_clear();
                }
            });
        }
    }

    fn more(&self, done: u64) {
        if self.is_shown {
            self.with(|bar| bar.iter().for_each(|bar| bar.inc(done)));
        }
    }

    fn end(&self) {
        self.with(|bar| {
            if let Some(old) = bar.take() {
                old.finish_and_clear();
            }
        });
    }

    fn seconds(&self) -> f64 {
        (self.seconds)()
    }
}

fn drawn(stage: &str, total: Option<u64>, unit: &'static str) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    if let Ok(style) = ProgressStyle::with_template(&template(total.is_some(), unit)) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_message(stage.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What a bar shows: bytes in KiB and MiB, all other units as plain counts.
fn template(is_total_known: bool, unit: &str) -> String {
    let (done, total, speed) = match unit {
        "bytes" => ("{binary_bytes}", "{binary_total_bytes}", "{binary_bytes_per_sec}".to_string()),
        _ => ("{human_pos}", "{human_len}", format!("{{per_sec}} {unit}")),
    };
    match is_total_known {
        true => format!("{{msg:20}} {{bar:30}} {done} / {total}  {speed}  {{eta}} left"),
        false => format!("{{msg:20}} {{spinner}} {done}  {speed}  {{elapsed}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_understood() {
        for unit in ["bytes", "rows", "users"] {
            for known in [true, false] {
                assert!(ProgressStyle::with_template(&template(known, unit)).is_ok());
            }
        }
    }

    #[test]
    fn silent_bars_take_every_call_and_still_tell_the_time() {
        let seconds = || 1.5;
        let bars = Bars::new(false, &seconds);
        bars.more(1);
        bars.begin("reading", Some(10), "rows");
        bars.more(1);
        bars.end();
        bars.end();
        assert_eq!(bars.seconds(), 1.5);
    }
}
