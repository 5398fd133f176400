//! Spans of time as people type and read them: `90s`, `15m`, `2h30m`.

use std::time::Duration;

/// The units, largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a span such as `90s`, `15m` or `2h30m`: whole numbers with a unit each, larger units first. `500ms` is read,
/// too.
///
/// # Errors
/// What is wrong with the text, and what a duration looks like.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not a duration such as 90s, 15m or 2h30m");
    if let Some(millis) = text.strip_suffix("ms").and_then(number) {
        return Ok(Duration::from_millis(millis));
    }
    let mut secs: u64 = 0;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(refused)?;
        let count = number(&rest[..end]).ok_or_else(refused)?;
        let unit = rest[end..].chars().next().ok_or_else(refused)?;
        // Going on where the last one was found keeps the units in order and each of them single.
        let (_, span) = units.find(|(name, _)| *name == unit).ok_or_else(refused)?;
        secs = count
            .checked_mul(*span)
            .and_then(|span| secs.checked_add(span))
            .ok_or_else(refused)?;
        rest = &rest[end + unit.len_utf8()..];
    }
    if text.is_empty() {
        return Err(refused());
    }
    Ok(Duration::from_secs(secs))
}

/// A span for people: two units at most, tenths below a minute.
#[must_use]
pub fn shown(span: Duration) -> String {
    let secs = span.as_secs();
    if secs < 60 {
        return match span.subsec_millis() {
            0 => format!("{secs}s"),
            _ if secs == 0 => format!("{}ms", span.as_millis()),
            _ => format!("{:.1}s", span.as_secs_f64()),
        };
    }
    let mut text = String::new();
    let mut rest = secs;
    for (name, size) in UNITS {
        if rest >= size && text.matches(char::is_alphabetic).count() < 2 {
            text.push_str(&format!("{}{name}", rest / size));
            rest %= size;
        }
    }
    text
}

fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_read() {
        for (text, secs) in [
            ("90s", 90),
            ("15m", 900),
            ("2h30m", 9_000),
            ("1d", 86_400),
            ("1d2h3m4s", 93_784),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "90",
            "s",
            "-1s",
            "1.5h",
            "30m2h",
            "5m5m",
            "1w",
            "1 h",
            "1hé",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_shown_shortly() {
        for (millis, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_500, "1.5s"),
            (61_000, "1m1s"),
            (9_000_000, "2h30m"),
            (93_784_000, "1d2h"),
        ] {
            assert_eq!(shown(Duration::from_millis(millis)), text);
        }
    }
}
