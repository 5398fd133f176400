//! RFC 3339 and microseconds since the Unix epoch, for the years 0 to 9999.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

const MICROS_PER_SECOND: i64 = 1_000_000;
const EPOCH: DateTime = Date::constant(1970, 1, 1).at(0, 0, 0, 0);

/// The first instant there is, 0000-01-01T00:00:00Z, in microseconds since the Unix epoch.
pub const MIN_MICROS: i64 = -62_167_219_200 * MICROS_PER_SECOND;
/// The last instant there is, 9999-12-31T23:59:59.999999Z, in microseconds since the Unix epoch.
pub const MAX_MICROS: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// Why a time could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not a time.
    #[error("{0} is not a time such as 2026-01-31T12:00:00Z")]
    NotATime(String),
    /// The text is like a time, but there is no such day, hour or offset.
    #[error("{0} does not exist in the calendar")]
    NoSuchTime(String),
    /// The instant lies outside of the years 0 to 9999 in UTC.
    #[error("a time outside of the years 0 to 9999")]
    OutOfRange,
}

/// A time that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    /// Microseconds since the Unix epoch; finer digits are dropped, towards the past.
    pub micros: i64,
    /// Whether the text had no offset, so that UTC is a guess.
    pub naive: bool,
}

/// The instant in RFC 3339: always `Z`, with six digits of a second's fraction or, where that is
/// zero, none.
///
/// # Errors
/// [`TimeError::OutOfRange`] outside of [`MIN_MICROS`]`..=`[`MAX_MICROS`].
pub fn to_rfc3339(micros: i64) -> Result<String, TimeError> {
    if !(MIN_MICROS..=MAX_MICROS).contains(&micros) {
        return Err(TimeError::OutOfRange);
    }
    // Not `jiff::Timestamp`, which ends a day before the year 9999 does.
    let time = EPOCH
        .checked_add(SignedDuration::from_micros(micros))
        .map_err(|_| TimeError::OutOfRange)?;
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let fraction = match micros.rem_euclid(MICROS_PER_SECOND) {
        0 => String::new(),
        fraction => format!(".{fraction:06}"),
    };
    Ok(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// [`to_rfc3339`] for showing to people: what lies outside of the years 0 to 9999 becomes the
/// first or the last instant there is. Not for data that is read back.
#[must_use]
pub fn to_rfc3339_clamped(micros: i64) -> String {
    to_rfc3339(micros.clamp(MIN_MICROS, MAX_MICROS)).expect("clamped into the range")
}

/// Reads a time: RFC 3339 (`…Z` or an offset), the same without an offset or as a date alone
/// (both taken for UTC and flagged), each with `T`, `t` or a space before the hour.
///
/// # Errors
/// [`TimeError`] says which of its kinds; nothing is guessed but the offset.
pub fn parse(text: &str) -> Result<Parsed, TimeError> {
    let not_a_time = || TimeError::NotATime(shown(text));
    let (local, offset) = split_offset(text).ok_or_else(not_a_time)?;
    if !looks_like_a_time(local) {
        return Err(not_a_time());
    }
    let local: DateTime = match local.len() {
        10 => local.parse::<Date>().map(|date| date.at(0, 0, 0, 0)),
        _ => local.parse(),
    }
    .map_err(|_| TimeError::NoSuchTime(shown(text)))?;
    let nanos = local.duration_since(EPOCH).as_nanos();
    let offset_secs = match offset {
        Some(offset) => offset_secs(offset).ok_or_else(|| TimeError::NoSuchTime(shown(text)))?,
        None => 0,
    };
    let micros = nanos.div_euclid(1_000) - i128::from(offset_secs * MICROS_PER_SECOND);
    let micros = i64::try_from(micros).map_err(|_| TimeError::OutOfRange)?;
    if !(MIN_MICROS..=MAX_MICROS).contains(&micros) {
        return Err(TimeError::OutOfRange);
    }
    Ok(Parsed {
        micros,
        naive: offset.is_none(),
    })
}

/// The local part and the offset: `Z`, `+02:00`, `+0200`, `+02`. None if a date has an offset.
fn split_offset(text: &str) -> Option<(&str, Option<&str>)> {
    if text.len() <= 10 {
        return Some((text, None));
    }
    let is_mark = |(_, byte): &(usize, u8)| matches!(byte, b'Z' | b'z' | b'+' | b'-');
    match text.bytes().enumerate().skip(10).find(is_mark) {
        None => Some((text, None)),
        Some((10, _)) => None,
        Some((at, _)) => Some((&text[..at], Some(&text[at..]))),
    }
}

/// `dddd-dd-dd`, or that and `Tdd:dd`, `Tdd:dd:dd`, `Tdd:dd:dd.d…`. Looser forms of ISO 8601,
/// which the parser below would take, are more often a mistake than a time.
fn looks_like_a_time(local: &str) -> bool {
    let bytes = local.as_bytes();
    let pattern = b"dddd-dd-ddTdd:dd:dd.d";
    let matches_pattern = bytes
        .iter()
        .zip(pattern.iter().chain(std::iter::repeat(&b'd')))
        .all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            b'T' => matches!(byte, b'T' | b't' | b' '),
            other => byte == other,
        });
    matches_pattern && (matches!(bytes.len(), 10 | 16 | 19) || (21..=29).contains(&bytes.len()))
}

fn offset_secs(offset: &str) -> Option<i64> {
    let bytes = offset.as_bytes();
    if matches!(bytes, b"Z" | b"z") {
        return Some(0);
    }
    let (hours, minutes) = match bytes {
        [_, h @ .., b':', m1, m2] if h.len() == 2 => (two_digits(h)?, two_digits(&[*m1, *m2])?),
        [_, h1, h2, m1, m2] => (two_digits(&[*h1, *h2])?, two_digits(&[*m1, *m2])?),
        [_, h1, h2] => (two_digits(&[*h1, *h2])?, 0),
        _ => return None,
    };
    let secs = (hours <= 23 && minutes <= 59).then_some(hours * 3_600 + minutes * 60)?;
    match bytes.first() {
        Some(b'-') => Some(-secs),
        Some(b'+') => Some(secs),
        _ => None,
    }
}

fn two_digits(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
        }
        _ => None,
    }
}

/// The text quoted for a message, cut where it is long.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    crate::json::quoted(&short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times_are_written_as_they_should_be() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1, "1970-01-01T00:00:00.000001Z"),
            (1_767_225_600_500_000, "2026-01-01T00:00:00.500000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (MIN_MICROS, "0000-01-01T00:00:00Z"),
            (MAX_MICROS, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(to_rfc3339(micros).unwrap(), text);
            assert_eq!(
                parse(text),
                Ok(Parsed {
                    micros,
                    naive: false
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn times_outside_of_four_digit_years_are_refused() {
        for micros in [MIN_MICROS - 1, MAX_MICROS + 1, i64::MIN, i64::MAX] {
            assert_eq!(to_rfc3339(micros), Err(TimeError::OutOfRange));
            let edge = if micros < 0 { MIN_MICROS } else { MAX_MICROS };
            assert_eq!(to_rfc3339_clamped(micros), to_rfc3339(edge).unwrap());
        }
        for text in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59.5-00:01"] {
            assert_eq!(parse(text), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn the_forms_of_other_tools_are_read() {
        let noon = 1_768_824_000_000_000; // 2026-01-19T12:00:00Z
        for (text, micros, naive) in [
            ("2026-01-19T12:00:00Z", noon, false),
            ("2026-01-19t12:00:00z", noon, false),
            ("2026-01-19 12:00:00Z", noon, false),
            ("2026-01-19T14:00:00+02:00", noon, false),
            ("2026-01-19T14:00:00+0200", noon, false),
            ("2026-01-19T06:30:00-05:30", noon, false),
            ("2026-01-19T12:00:00", noon, true),
            ("2026-01-19T12:00", noon, true),
            ("2026-01-19 12:00:00", noon, true),
            ("2026-01-19T12:00:00.123456", noon + 123_456, true),
            ("2026-01-19T12:00:00.5", noon + 500_000, true),
            ("2026-01-19T12:00:00.123456789Z", noon + 123_456, false),
            ("2026-01-19", noon - 12 * 3_600 * MICROS_PER_SECOND, true),
        ] {
            assert_eq!(parse(text), Ok(Parsed { micros, naive }), "{text}");
        }
    }

    #[test]
    fn finer_digits_are_dropped_towards_the_past() {
        let before = parse("1969-12-31T23:59:59.9999999Z").unwrap();
        assert_eq!(before.micros, -1);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "soon",
            "2026",
            "2026-01",
            "20260119T120000Z",
            "2026-01-19T",
            "2026-01-19T12",
            "2026-01-19T07-05",
            "2026-01-19Z",
            "2026-01-19+02:00",
            "2026-01-19T12:00:00+2",
            "2026-01-19T12:00:00 Z",
            "2026-01-19T12:00:00.Z",
            "2026-01-19T12:00:00Z[UTC]",
            "2026-01-19T12:00:00+02:00:00",
            "2026-02-30",
            "2026-13-01",
            "2026-01-19T25:00:00Z",
            "2026-01-19T12:60:00Z",
            "2026-01-19T12:00:00+24:00",
            "-2026-01-19",
            "2026-01-19T12:00:00Zjunk",
            "२०२६-०१-१९",
            "2026-01-1é",
            "1768824000",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_refused_text_is_shown_escaped() {
        let message = parse("\u{1b}[2J").unwrap_err().to_string();
        assert_eq!(
            message,
            r#""\u001b[2J" is not a time such as 2026-01-31T12:00:00Z"#
        );
    }

    proptest! {
        #[test]
        fn every_instant_survives_its_text(micros in MIN_MICROS..=MAX_MICROS) {
            let text = to_rfc3339(micros).unwrap();
            prop_assert_eq!(parse(&text), Ok(Parsed { micros, naive: false }));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_time_like_text_makes_the_parser_panic(text in "[0-9TZz:.+ -]{0,40}") {
            let _ = parse(&text);
        }
    }
}
