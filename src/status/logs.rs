//! The last lines of the log, for whoever is on the phone with somebody in front of the page.
//!
//! journald keeps the log for weeks; this keeps the last lines in memory, within a bound, so that they
//! can be read without a shell on the box and go into a support bundle. There is one log in a process,
//! and so one of these.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

/// Lines that are kept.
const LINES: usize = 2000;

/// Of a line, bytes that are kept: what is longer is some peer's doing.
const LONGEST: usize = 1000;

static KEPT: Mutex<Ring> = Mutex::new(Ring(VecDeque::new()));

/// One line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    pub at: Timestamp,
    pub level: Level,
    /// The message and its fields, with those of the spans around it in front.
    pub text: String,
}

/// The latest lines, oldest first.
#[derive(Debug)]
struct Ring(VecDeque<Line>);

impl Ring {
    fn push(&mut self, mut line: Line) {
        if line.text.len() > LONGEST {
            let end = line.text.floor_char_boundary(LONGEST);
            line.text.truncate(end);
            line.text.push_str(" [cut]");
        }
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

/// Keeps lines from now on; beside the layer that prints them.
#[must_use]
pub fn keep<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    Keeper
}

/// The latest lines at `level` or worse that contain `text` in any case, oldest first; at most
/// `most`.
#[must_use]
pub fn lines(level: Level, text: &str, most: usize) -> Vec<Line> {
    let text = text.to_lowercase();
    let kept = kept();
    let wanted = kept.0.iter().rev().filter(|line| {
        line.level <= level && (text.is_empty() || line.text.to_lowercase().contains(&text))
    });
    let mut lines: Vec<Line> = wanted.take(most).cloned().collect();
    lines.reverse();
    lines
}

fn kept() -> MutexGuard<'static, Ring> {
    // A panic elsewhere must not end the log.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper;

/// The fields of a span, in words.
struct Around(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeper {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut words = Words::default();
        attributes.record(&mut words);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Around(words.line()));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut text = String::new();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Around(fields)) = span.extensions().get() {
                text.push_str(fields);
                text.push(' ');
            }
        }
        let mut words = Words::default();
        event.record(&mut words);
        text.push_str(&words.line());
        kept().push(Line {
            at: Timestamp::now(),
            level: *event.metadata().level(),
            text,
        });
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Words {
    fn line(self) -> String {
        format!("{}{}", self.message, self.fields).trim().to_owned()
    }

    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            self.message.write_fmt(value)
        } else {
            write!(self.fields, " {}={value}", field.name())
        };
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, format_args!("{}", crate::chain(value)));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The log is the process's; each test finds its own lines by a word.
    fn logged(mark: &str, log: impl FnOnce()) -> Vec<Line> {
        let subscriber = tracing_subscriber::registry().with(keep());
        tracing::subscriber::with_default(subscriber, log);
        lines(Level::TRACE, mark, usize::MAX)
    }

    #[test]
    fn a_line_has_its_message_its_fields_and_those_around_it() {
        let found = logged("kingfisher", || {
            let _around = tracing::info_span!("association", calling_ae = "CT1").entered();
            let error = std::io::Error::other("no kingfisher");
            tracing::warn!(
                slices = 3,
                error = &error as &dyn std::error::Error,
                "not {}",
                "stored"
            );
        });
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].level, Level::WARN);
        assert_eq!(
            found[0].text,
            "calling_ae=CT1 not stored slices=3 error=no kingfisher"
        );
    }

    #[test]
    fn lines_are_chosen_by_level_and_text_and_the_latest_are_kept() {
        logged("", || {
            tracing::info!("heron 1");
            tracing::error!("Heron 2");
            tracing::debug!("heron 3");
            tracing::error!("swan");
        });
        let texts = |level, text, most| -> Vec<String> {
            let lines = lines(level, text, most).into_iter();
            lines.map(|line| line.text).collect()
        };
        assert_eq!(texts(Level::INFO, "heron", 10), ["heron 1", "Heron 2"]);
        assert_eq!(texts(Level::ERROR, "HERON", 10), ["Heron 2"]);
        assert_eq!(texts(Level::TRACE, "heron", 1), ["heron 3"]);
    }

    #[test]
    fn what_is_kept_is_bounded_in_lines_and_in_their_length() {
        let mut ring = Ring(VecDeque::new());
        for _ in 0..LINES + 10 {
            ring.push(Line {
                at: Timestamp::UNIX_EPOCH,
                level: Level::INFO,
                text: "gr\u{fc}nspecht ".repeat(1000),
            });
        }
        assert_eq!(ring.0.len(), LINES);
        assert!(ring.0.iter().all(|line| line.text.len() <= LONGEST + 6));
    }
}
