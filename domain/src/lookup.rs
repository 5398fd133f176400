//! How a text that a person typed finds an id.

/// The shortest prefix that is looked up.
pub const MIN_PREFIX_CHARS: usize = 4;
/// How many candidates an ambiguous look-up lists.
pub const MAX_CANDIDATES: usize = 10;

/// What a look-up found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Exactly one id.
    Found(String),
    /// Several; the first of them, in order, up to [`MAX_CANDIDATES`].
    Ambiguous(Vec<String>),
    /// None.
    Unknown,
}

/// Picks the id that `text` names among `candidates`, the ids that begin with it in any case of ASCII letters.
///
/// The first that fits: the exact text; the only one equal in any case; the only one that begins with it, if the text
/// has at least [`MIN_PREFIX_CHARS`] characters.
///
/// ```
/// use tasq_domain::lookup::{pick, Lookup};
/// let ids = || ["TASK-0A", "TASK-0B", "task-0a"].map(String::from).to_vec();
/// assert_eq!(pick("task-0a", ids()), Lookup::Found("task-0a".into()));
/// assert_eq!(pick("TASK-0b", ids()), Lookup::Found("TASK-0B".into()));
/// assert_eq!(pick("task-0", ids()), Lookup::Ambiguous(ids()));
/// assert_eq!(pick("tas", vec!["TASK-1".into()]), Lookup::Unknown);
/// ```
#[must_use]
pub fn pick(text: &str, mut candidates: Vec<String>) -> Lookup {
    if candidates.iter().any(|id| id == text) {
        return Lookup::Found(text.to_owned());
    }
    let mut same: Vec<String> = candidates
        .iter()
        .filter(|id| id.eq_ignore_ascii_case(text))
        .cloned()
        .collect();
    if same.is_empty() && text.chars().count() >= MIN_PREFIX_CHARS {
        same = std::mem::take(&mut candidates);
    }
    same.truncate(MAX_CANDIDATES);
    match same.len() {
        0 => Lookup::Unknown,
        1 => Lookup::Found(same.remove(0)),
        _ => Lookup::Ambiguous(same),
    }
}
