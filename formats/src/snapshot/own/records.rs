//! The commonest records of a log, each a line: by what is known to stand between their values.

use serde::Deserialize;
use tasq_domain::{
    Actor, Attempt, AttemptEnd, EntityKind, Event, EventKind, JsonObject, Operation, OperationId,
    Outcome, Reason, TaskId, Timestamp, Worker,
};

use super::{Text, moment};
use crate::snapshot::history::MAX_NUMBER;

/// Objects with more keys are left to the thorough way.
const FEW_KEYS: usize = 8;

/// Where the first byte is that does not stand for itself in a text: a quote, a backslash or a control character. Eight
/// bytes are looked at together.
fn first_special(bytes: &[u8]) -> Option<usize> {
    let (runs, rest) = bytes.as_chunks::<8>();
    for (at, run) in runs.iter().enumerate() {
        let special = special_in(u64::from_le_bytes(*run));
        if special != 0 {
            return Some(at * 8 + special.trailing_zeros() as usize / 8);
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    let at = rest.iter().position(special)?;
    Some(bytes.len() - rest.len() + at)
}

/// The highest bit of the first of eight bytes that is special, and perhaps of some after it ("Bit Twiddling Hacks",
/// `hasless` and `haszero`).
const fn special_in(bytes: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    const fn below(bytes: u64, limit: u8) -> u64 {
        bytes.wrapping_sub(EACH * limit as u64) & !bytes
    }
    let quote = below(bytes ^ (EACH * b'"' as u64), 1);
    let backslash = below(bytes ^ (EACH * b'\\' as u64), 1);
    (quote | backslash | below(bytes, b' ')) & HIGH
}

/// The record of an event as [`history::event`](crate::snapshot::history::event) wrote it; `None` if it cannot be that.
/// What is as in the event before, is shared with it.
pub(in crate::snapshot) fn event<'t>(text: &'t str, before: &mut Before<'t>) -> Option<Event> {
    let mut rest = Rest(text);
    let seq = rest.after("{\"seq\":")?.number()?;
    let at = rest.after(",\"at\":")?.plain()?;
    let actor = rest.after(",\"actor\":")?.plain()?;
    let kind = rest.after(",\"kind\":")?.plain()?;
    let entity = rest.after(",\"entity\":")?.plain()?;
    let id = rest.after(",\"id\":")?.plain()?;
    let data = match rest.0 {
        "}" => "{}",
        _ => rest.after(",\"data\":")?.0.strip_suffix('}')?,
    };
    Some(Event {
        seq: Some(seq).filter(|seq| (1..=MAX_NUMBER).contains(seq))?,
        at: before.at.moment(at)?,
        actor: shared(&mut before.actor, actor, Actor::as_str, |actor| {
            Actor::new(actor).ok()
        })?,
        kind: EventKind::from_word(kind)?,
        entity: EntityKind::from_word(entity)?.id(id).ok()?,
        data: shared(&mut before.data, data, JsonObject::as_str, |data| {
            is_flat(data).then(|| JsonObject::new(data).ok())?
        })?,
    })
}

/// What was read of the event before: those that were made together have much in common.
#[derive(Debug, Default)]
pub struct Before<'t> {
    at: Moments<'t>,
    actor: Option<Actor>,
    data: Option<JsonObject>,
}

/// What a text is: what it was before, or what is now made of it.
fn shared<T: Clone>(
    before: &mut Option<T>,
    text: &str,
    text_of: fn(&T) -> &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    if before.as_ref().is_none_or(|before| text_of(before) != text) {
        *before = Some(read(text)?);
    }
    before.clone()
}

/// The last time that was read: most are there several times in a row.
#[derive(Debug, Default)]
pub(super) struct Moments<'t>(Option<(&'t str, Timestamp)>);

impl<'t> Moments<'t> {
    /// The time that a text is.
    pub(super) fn moment(&mut self, text: &'t str) -> Option<Timestamp> {
        if let Some((last, at)) = self.0
            && last == text
        {
            return Some(at);
        }
        let at = moment(text)?;
        self.0 = Some((text, at));
        Some(at)
    }
}

/// The record of an attempt without a result, as [`event`].
pub(in crate::snapshot) fn attempt(text: &str) -> Option<Attempt> {
    let mut rest = Rest(text);
    let task = rest.after("{\"task\":")?.plain()?;
    let token = rest.after(",\"token\":")?.plain()?;
    let worker = rest.after(",\"worker\":")?.plain()?;
    let started_at = rest.after(",\"started_at\":")?.plain()?;
    let end = match rest.after(",\"ended_at\":") {
        None => None,
        Some(rest) => {
            let at = rest.plain()?;
            let outcome = rest.after(",\"outcome\":")?.plain()?;
            let exit_code = match rest.after(",\"exit_code\":") {
                None => None,
                Some(rest) => Some(i32::try_from(rest.number()?).ok()?),
            };
            Some(AttemptEnd {
                at: moment(at)?,
                outcome: Outcome::from_word(outcome)?,
                exit_code,
                message: rest.reason(",\"message\":")?,
            })
        }
    };
    let late_message = rest.reason(",\"late_message\":")?;
    let log_path = match rest.after(",\"log_path\":") {
        None => None,
        Some(rest) => Some(rest.plain()?.to_owned()),
    };
    (rest.0 == "}").then_some(())?;
    Some(Attempt {
        task: TaskId::new(task).ok()?,
        token: token.parse().ok()?,
        worker: Worker::new(worker).ok()?,
        started_at: moment(started_at)?,
        end,
        late_message,
        log_path,
        result: None,
    })
}

/// What of a record is still to be read. There are so many records that they are taken apart by what is known to stand
/// between their values.
pub(super) struct Rest<'t>(pub(super) &'t str);

impl<'t> Rest<'t> {
    /// Passes over what must come next.
    pub(super) fn after(&mut self, what: &str) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(what)?;
        Some(self)
    }

    /// A text in which nothing is escaped.
    pub(super) fn plain(&mut self) -> Option<&'t str> {
        let text = self.0.strip_prefix('"')?;
        let end = first_special(text.as_bytes())?;
        self.0 = text[end..].strip_prefix('"')?;
        Some(&text[..end])
    }

    /// A whole number without a sign, spelled as JSON spells it.
    pub(super) fn count(&mut self) -> Option<i64> {
        if self.0.starts_with('-') {
            return None;
        }
        self.number()
    }

    /// A whole number, spelled as JSON spells it.
    fn number(&mut self) -> Option<i64> {
        let digit = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        let len = self.0.bytes().take_while(|byte| digit(*byte)).count();
        let (number, rest) = self.0.split_at(len);
        let digits = number.strip_prefix('-').unwrap_or(number);
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        number.parse().ok()
    }

    /// Passes over a text, a whole number or a word.
    fn scalar(&mut self) -> Option<()> {
        if self.0.starts_with('"') {
            return self.plain().map(drop);
        }
        for word in ["null", "true", "false"] {
            if self.after(word).is_some() {
                return Some(());
            }
        }
        self.number().map(drop)
    }

    /// The reason under a key that may be missing. The outer `None` is a fault.
    fn reason(&mut self, key: &str) -> Option<Option<Reason>> {
        match self.after(key) {
            None => Some(None),
            Some(rest) => Reason::new(rest.plain()?).ok().map(Some),
        }
    }
}

/// The record of an operation, as [`event`].
pub(in crate::snapshot) fn operation(text: &str) -> Option<Operation> {
    let OperationRecord {
        id,
        use_case,
        digest,
        answer,
    } = serde_json::from_str(text).ok()?;
    Some(Operation {
        id: OperationId::new(id.0).ok()?,
        use_case: use_case.0.into_owned(),
        digest: digest.0.into_owned(),
        answer: answer.0.into_owned(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationRecord<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    use_case: Text<'a>,
    #[serde(borrow)]
    digest: Text<'a>,
    #[serde(borrow)]
    answer: Text<'a>,
}

/// Whether a text is an object as `to_text` writes it, with a few different keys, nothing nested and nothing escaped.
fn is_flat(text: &str) -> bool {
    let read = || -> Option<()> {
        let mut rest = Rest(text.strip_prefix('{')?);
        let (mut keys, mut known) = ([""; FEW_KEYS], 0);
        while rest.0 != "}" {
            if known > 0 {
                rest.after(",")?;
            }
            let key = rest.plain()?;
            if known == FEW_KEYS || keys[..known].contains(&key) {
                return None;
            }
            keys[known] = key;
            known += 1;
            rest.after(":")?.scalar()?;
        }
        Some(())
    };
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && read().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_flat_if_nothing_in_it_needs_a_closer_look() {
        for flat in [
            r#"{}"#,
            r#"{"a":1}"#,
            r#"{"a":"x, {y}: 1","b":null,"c":-15,"d":true}"#,
        ] {
            assert!(is_flat(flat), "{flat}");
        }
        for other in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{}}"#,
            r#"{"a": 1}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":"ä"}"#,
            r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}"#,
            "[1]",
            r#"{"a":1.5}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1}}"#,
            r#"{"a"}"#,
            r#"{"a":nul}"#,
            r#"{"a":--1}"#,
        ] {
            assert!(!is_flat(other), "{other}");
        }
    }
}
