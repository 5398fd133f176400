//! RFC 3339 and microseconds since the Unix epoch, for the years 0 to 9999.

use jiff::civil::{Date, DateTime};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The length of a time with all its digits, in bytes.
const LONGEST: usize = 27;
const EPOCH: DateTime = Date::constant(1970, 1, 1).at(0, 0, 0, 0);

/// The first instant there is, 0000-01-01T00:00:00Z, in microseconds since the Unix epoch.
pub const MIN_MICROS: i64 = -62_167_219_200 * MICROS_PER_SECOND;
/// The last instant there is, 9999-12-31T23:59:59.999999Z, in microseconds since the Unix epoch.
pub const MAX_MICROS: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// An instant in microseconds since the Unix epoch that is spelled as [`to_rfc3339_clamped`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub i64);

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
    let mut text = String::with_capacity(LONGEST);
    push_in_range(&mut text, micros);
    Ok(text)
}

/// By hand, because a store of ten thousand tasks writes twenty thousand times of day whenever it changes.
fn push_in_range(text: &mut String, micros: i64) {
    // From the first day of a cycle of the calendar on, so that nothing is negative.
    let since = u64::try_from(micros - CYCLE_MICROS).expect("the year is not before 0");
    let (second, fraction) = (since / 1_000_000, small(since % 1_000_000));
    let (day, second) = (small(second / 86_400), small(second % 86_400));
    let (year, month, date) = date_of(day);
    let mut spelled = *b"0000-00-00T00:00:00.000000Z";
    let mut spell = |at: usize, number: u32| {
        spelled[at..at + 2].copy_from_slice(&PAIRS[number as usize]);
    };
    spell(0, year / 100);
    spell(2, year % 100);
    spell(5, month);
    spell(8, date);
    spell(11, second / 3_600);
    spell(14, second / 60 % 60);
    spell(17, second % 60);
    if fraction != 0 {
        spell(20, fraction / 10_000);
        spell(22, fraction / 100 % 100);
        spell(24, fraction % 100);
    }
    let spelled: &[u8] = if fraction == 0 {
        spelled[19] = b'Z';
        &spelled[..20]
    } else {
        &spelled
    };
    text.push_str(std::str::from_utf8(spelled).expect("digits and marks are ASCII"));
}

/// The numbers from 0 to 99, in two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number: u8 = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

fn small(number: u64) -> u32 {
    u32::try_from(number).expect("a part of a time in the years 0 to 9999")
}

/// The days of the 400 years after which the calendar repeats.
const CYCLE_DAYS: u32 = 146_097;
/// The beginning of the cycle before the year 0, which begins in March, so that the leap day is the last of its year:
/// -0400-03-01, in microseconds since the Unix epoch.
const CYCLE_MICROS: i64 = -(719_468 + CYCLE_DAYS as i64) * SECONDS_PER_DAY * MICROS_PER_SECOND;

/// Year, month and day of the month of a day since -0400-03-01, in the Gregorian calendar (Howard Hinnant,
/// "chrono-compatible low-level date algorithms", `civil_from_days`).
fn date_of(day: u32) -> (u32, u32, u32) {
    let (era, day_of_era) = (day / CYCLE_DAYS, day % CYCLE_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year_of_era + next - 400, month, date)
}

/// How many days a month has, counted from 1.
const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A day since the Unix epoch, of a date that may not exist (`days_from_civil`, of the same source).
fn day_of(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month + 2) / 5 + date - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// What [`to_rfc3339`] wrote; `None` for every other text, be it a time or not.
fn parse_own(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let fraction = match bytes.len() {
        20 => 0,
        27 if bytes[19] == b'.' => number(&bytes[20..26])?,
        _ => return None,
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let as_written = marks.iter().all(|&(at, mark)| bytes[at] == mark);
    if !as_written || bytes.last() != Some(&b'Z') {
        return None;
    }
    let (year, month, date) = (
        number(&bytes[..4])?,
        number(&bytes[5..7])?,
        number(&bytes[8..10])?,
    );
    let (hour, minute, second) = (
        number(&bytes[11..13])?,
        number(&bytes[14..16])?,
        number(&bytes[17..19])?,
    );
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if !(1..=days_in(year, month)).contains(&date) {
        return None;
    }
    let day = day_of(year, month, date);
    let seconds = day * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
    Some(seconds * MICROS_PER_SECOND + fraction)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// [`to_rfc3339`] for showing to people: what lies outside of the years 0 to 9999 becomes the
/// first or the last instant there is. Not for data that is read back.
#[must_use]
pub fn to_rfc3339_clamped(micros: i64) -> String {
    to_rfc3339(micros.clamp(MIN_MICROS, MAX_MICROS)).expect("clamped into the range")
}

/// [`to_rfc3339_clamped`] at the end of a text.
pub(crate) fn push_rfc3339_clamped(text: &mut String, micros: i64) {
    push_in_range(text, micros.clamp(MIN_MICROS, MAX_MICROS));
}

/// Reads a time: RFC 3339 (`…Z` or an offset), the same without an offset or as a date alone
/// (both taken for UTC and flagged), each with `T`, `t` or a space before the hour.
///
/// # Errors
/// [`TimeError`] says which of its kinds; nothing is guessed but the offset.
pub fn parse(text: &str) -> Result<Parsed, TimeError> {
    if let Some(micros) = parse_own(text) {
        let naive = false;
        return Ok(Parsed { micros, naive });
    }
    parse_any(text)
}

fn parse_any(text: &str) -> Result<Parsed, TimeError> {
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
            prop_assert_eq!(parse_any(&text), parse(&text));
        }

        #[test]
        fn the_quick_way_reads_what_the_thorough_one_reads(
            year in 0..10_000,
            (month, date) in (0..14, 0..33),
            (hour, minute, second) in (0..25, 0..61, 0..61),
            fraction in proptest::option::of(0..1_000_000),
        ) {
            let fraction = fraction.map(|it| format!(".{it:06}")).unwrap_or_default();
            let text = format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z");
            if let Some(micros) = parse_own(&text) {
                prop_assert_eq!(parse_any(&text), Ok(Parsed { micros, naive: false }));
            } else {
                prop_assert!(parse_any(&text).is_err() || second == 60, "{}", text);
            }
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
