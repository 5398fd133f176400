//! What a supervisor and the keeper of one of its commands tell each other, over a pair of sockets.
//!
//! The keeper first gets what the command reads on its standard input, then, at most, orders to stop. The end of the
//! stream means that the supervisor is gone. It answers in lines: that the command has started or cannot, and in the end
//! how it ended, when nothing is left of it.

use std::io::{self, Read, Write};
use std::time::Duration;

/// What a keeper says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The program runs.
    Started,
    /// The program cannot be started, for the reason with this number.
    CannotStart(i32),
    /// There are too many processes, and so they are killed.
    Crowded,
    /// The command exited with this code, and nothing is left of it.
    Code(i32),
    /// The command was ended by this signal, and nothing is left of it.
    Signal(i32),
}

impl Said {
    pub(super) fn write(self, to: &mut impl Write) -> io::Result<()> {
        let line = match self {
            Self::Started => "started 0\n".to_owned(),
            Self::CannotStart(errno) => format!("cannot {errno}\n"),
            Self::Crowded => "crowded 0\n".to_owned(),
            Self::Code(code) => format!("code {code}\n"),
            Self::Signal(signal) => format!("signal {signal}\n"),
        };
        to.write_all(line.as_bytes())
    }

    /// The first whole line of what was received, which is taken away; `None` if there is none yet.
    ///
    /// # Errors
    /// If it is not a line of a keeper.
    pub(super) fn take(received: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(end) = received.iter().position(|&byte| byte == b'\n') else {
            return Ok(None);
        };
        let line: Vec<u8> = received.drain(..=end).collect();
        let read = || {
            let (word, number) = std::str::from_utf8(&line[..end]).ok()?.split_once(' ')?;
            let number = number.parse().ok()?;
            Some(match word {
                "started" => Self::Started,
                "cannot" => Self::CannotStart(number),
                "crowded" => Self::Crowded,
                "code" => Self::Code(number),
                "signal" => Self::Signal(number),
                _ => return None,
            })
        };
        read()
            .map(Some)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Hands over what the command reads.
pub(super) fn send_input(to: &mut impl Write, input: &[u8]) -> io::Result<()> {
    let length = u64::try_from(input.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(input)
}

/// What the command is to read.
///
/// # Errors
/// If the supervisor has gone before all of it was said.
pub(super) fn receive_input(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    from.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut input = Vec::new();
    let read = from.take(length).read_to_end(&mut input)?;
    if u64::try_from(read).is_ok_and(|read| read == length) {
        Ok(input)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Orders a stop within a grace time.
pub(super) fn send_stop(to: &mut impl Write, grace: Duration) -> io::Result<()> {
    let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    to.write_all(&millis.to_le_bytes())
}

/// The grace time of the next order to stop; `None` when the supervisor is gone.
pub(super) fn receive_stop(from: &mut impl Read) -> Option<Duration> {
    let mut millis = [0; 8];
    from.read_exact(&mut millis).ok()?;
    Some(Duration::from_millis(u64::from_le_bytes(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_keeper_says_is_understood() {
        let all = [
            Said::Started,
            Said::CannotStart(2),
            Said::Crowded,
            Said::Code(255),
            Said::Signal(9),
        ];
        let mut wire = Vec::new();
        for said in all {
            said.write(&mut wire).unwrap();
        }
        wire.extend_from_slice(b"cod");
        for said in all {
            assert_eq!(Said::take(&mut wire).unwrap(), Some(said));
        }
        assert_eq!(Said::take(&mut wire).unwrap(), None, "half a line");
        wire.extend_from_slice(b"\n");
        assert!(Said::take(&mut wire).is_err());
    }

    #[test]
    fn an_input_that_was_cut_short_is_none() {
        let mut wire = Vec::new();
        send_input(&mut wire, b"a task").unwrap();
        send_stop(&mut wire, Duration::from_millis(1_500)).unwrap();
        let mut whole = wire.as_slice();
        assert_eq!(receive_input(&mut whole).unwrap(), b"a task");
        let grace = Duration::from_millis(1_500);
        assert_eq!(receive_stop(&mut whole), Some(grace));
        assert_eq!(receive_stop(&mut whole), None);
        for length in 0..14 {
            assert!(receive_input(&mut &wire[..length]).is_err(), "{length}");
        }
    }
}
