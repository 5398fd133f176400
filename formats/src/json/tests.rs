//! What is read is written back, and what is refused is named with its place.

use proptest::prelude::*;

use super::*;
use crate::time::Rfc3339;

fn value(text: &str) -> Value {
    Document::parse(text.as_bytes())
        .map(Document::into_value)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(bytes: impl AsRef<[u8]>) -> JsonError {
    Document::parse(bytes.as_ref()).unwrap_err()
}

/// Kind and full message of the refusal of `bytes`.
fn refusal(bytes: impl AsRef<[u8]>) -> (JsonErrorKind, String) {
    let error = error(bytes);
    (error.kind, error.to_string())
}

#[test]
fn order_of_keys_and_spelling_of_numbers_are_kept_to_the_byte() {
    for text in [
        "null",
        "true",
        "-0",
        r#"{"b":1.0,"a":1e3,"c":-0,"d":1E+05,"e":-0.0e-0,"f":0.10}"#,
        "[12345678901234567890,-99999999999999999999,1e999,0.1234567890123456789012345]",
        r#"{"":[],"x":{},"y":[[],{}]}"#,
        r#""a \" \\ / \n\r\t\b\f é 😀 \u0000 \u001b""#,
    ] {
        assert_eq!(to_text(&value(text)), text);
    }
}

#[test]
fn white_space_around_and_inside_is_dropped() {
    let text = " \r\n{ \"a\" :\t[ 1 , 2 ] , \"b\" : { } }\n\n";
    assert_eq!(to_text(&value(text)), r#"{"a":[1,2],"b":{}}"#);
}

#[test]
fn escapes_are_read_as_what_they_mean() {
    assert_eq!(value(r#""\u00e9\/\ud83d\ude00""#).as_str(), Some("é/😀"));
}

#[test]
fn the_reserved_key_of_the_parser_is_a_key_like_any_other() {
    for text in [
        r#"{"$serde_json::private::Number":"123"}"#,
        r#"{"$serde_json::private::Number":"x; not a number"}"#,
        r#"{"$serde_json::private::Number":5,"b":1}"#,
        r#"{"a":[{"$serde_json::private::RawValue":"1,2"}]}"#,
    ] {
        assert_eq!(to_text(&value(text)), text);
    }
}

#[test]
fn a_duplicate_key_is_named_with_its_second_place() {
    let text = "{\"features\": [1, 2, 3,\n  {\"id\": 1,\n   \"x\": 2,\n        \"id\": 3}]}";
    let (kind, message) = refusal(text);
    assert_eq!(kind, JsonErrorKind::Duplicate);
    assert_eq!(
        message,
        r#"line 4, column 9, at $.features[3].id: duplicate key "id""#
    );
}

#[test]
fn a_foreign_file_may_repeat_a_key_after_null_or_with_the_same_value() {
    let text = "{\n \"a\": null,\n \"b\": [1],\n \"a\": {\"c\": 1, \"c\": 1},\n \"b\": [1]}";
    assert!(Document::parse(text.as_bytes()).is_err());
    let document = Document::parse_foreign(text.as_bytes(), Limits::FOREIGN).unwrap();
    assert_eq!(to_text(document.value()), r#"{"a":{"c":1},"b":[1]}"#);
    let repeated = document.repeated_keys().iter();
    let places: Vec<_> = repeated
        .map(|key| (key.line, key.column, key.path.as_str()))
        .collect();
    assert_eq!(places, [(4, 2, "$.a"), (4, 16, "$.a.c"), (5, 2, "$.b")]);
    // The place of a fault is that of the value that counts.
    let fault = document.root().object().unwrap().required("a").unwrap();
    assert_eq!(fault.position(), (4, 7));
}

#[test]
fn a_foreign_file_may_not_repeat_a_key_with_another_value() {
    for text in [r#"{"a": 1, "a": 2}"#, r#"{"a": 1, "a": null}"#] {
        let error = Document::parse_foreign(text.as_bytes(), Limits::FOREIGN).unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::Duplicate);
        assert_eq!(
            error.to_string(),
            r#"line 1, column 10, at $.a: duplicate key "a""#
        );
    }
}

#[test]
fn a_key_spelled_with_an_escape_is_still_a_duplicate() {
    let (kind, message) = refusal(r#"{"a":1,"\u0061":2}"#);
    assert_eq!(kind, JsonErrorKind::Duplicate);
    assert_eq!(message, r#"line 1, column 8, at $.a: duplicate key "a""#);
}

#[test]
fn a_duplicate_among_many_keys_is_found() {
    let keys: Vec<String> = (0..1_000).map(|at| format!("\"k{at}\":{at}")).collect();
    let text = format!("{{{},\"k500\":0}}", keys.join(","));
    assert_eq!(error(&text).kind, JsonErrorKind::Duplicate);
    assert_eq!(error(&text).path, "$.k500");
}

#[test]
fn syntax_errors_name_line_column_and_path() {
    use JsonErrorKind::Syntax;
    for (text, message) in [
        ("", "line 1, column 1, at $: the text is empty"),
        ("\n \n", "line 3, column 1, at $: the text is empty"),
        (
            "{\"a\": [1,\n  2",
            "line 2, column 4, at $.a[1]: the text ends too early",
        ),
        (
            "{\"a\": \"x",
            "line 1, column 9, at $.a: the text ends too early",
        ),
        (
            "{\"a\": 1} x",
            "line 1, column 10, at $: trailing characters",
        ),
        ("{} {}", "line 1, column 4, at $: trailing characters"),
        ("[1, 2,]", "line 1, column 7, at $[2]: trailing comma"),
        (
            "{\"a\": NaN}",
            "line 1, column 7, at $.a: NaN is not a JSON number",
        ),
        (
            "[-Infinity]",
            "line 1, column 3, at $[0]: Infinity is not a JSON number",
        ),
        (
            "[Infinity]",
            "line 1, column 2, at $[0]: Infinity is not a JSON number",
        ),
        (
            "{\"é\": tru}",
            "line 1, column 10, at $[\"é\"]: expected true, false or null",
        ),
        (
            "[\"a\nb\"]",
            "line 1, column 4, at $[0]: control character inside a text; write it as an escape",
        ),
        ("{'a': 1}", "line 1, column 2, at $: key must be a string"),
        ("[1 2]", "line 1, column 4, at $: expected `,` or `]`"),
        ("// no\n1", "line 1, column 1, at $: expected value"),
    ] {
        assert_eq!(refusal(text), (Syntax, message.to_owned()), "{text:?}");
    }
}

#[test]
fn numbers_that_json_does_not_know_are_refused() {
    for text in [
        "01", "1.", ".5", "+1", "1e", "-", "0x10", "1_000", "--1", "1e+",
    ] {
        assert_eq!(error(text).kind, JsonErrorKind::Syntax, "{text}");
        assert_eq!(Number::parse(text), None, "{text}");
    }
    for text in ["", " 1", "1 ", "1\n", "true", "\"1\"", "[1]"] {
        assert_eq!(Number::parse(text), None, "{text:?}");
    }
    assert_eq!(Number::parse("-1.50E+7").unwrap().as_str(), "-1.50E+7");
}

#[test]
fn conflict_markers_are_named_with_their_line() {
    let text = "{\n<<<<<<< HEAD\n  \"a\": 1\n=======\n  \"a\": 2\n>>>>>>> theirs\n}\n";
    let (kind, message) = refusal(text);
    assert_eq!(kind, JsonErrorKind::Conflict);
    assert_eq!(
        message,
        "line 2, column 1, at $: git conflict marker <<<<<<<; finish the merge first"
    );
    for marker in ["=======", ">>>>>>> x", "||||||| base"] {
        let error = error(format!("{{\"a\": [1,\r\n{marker}\r\n2]}}"));
        assert_eq!((error.kind, error.line), (JsonErrorKind::Conflict, 2));
        assert_eq!(error.path, "$.a[1]");
    }
}

#[test]
fn a_marker_inside_a_text_is_only_text() {
    let text = r#"["<<<<<<< HEAD\n=======\n"]"#;
    assert_eq!(to_text(&value(text)), text);
}

#[test]
fn what_is_not_plain_utf_8_is_an_encoding_error() {
    use JsonErrorKind::Encoding;
    for (bytes, message) in [
        (
            &b"\xEF\xBB\xBF{}"[..],
            "line 1, column 1, at $: the text starts with a byte order mark; save it as UTF-8 without one",
        ),
        (
            b"{\"a\":\n \"\xC3\xA9\xFF\"}",
            "line 2, column 4, at $.a: byte 0xff is not UTF-8",
        ),
        (
            b"[\"\xED\xA0\x80\"]",
            "line 1, column 3, at $[0]: byte 0xed is not UTF-8",
        ),
    ] {
        assert_eq!(refusal(bytes), (Encoding, message.to_owned()));
    }
    for text in [
        r#"["\ud800"]"#,
        r#"["\udc00 "]"#,
        r#"["\ud800A"]"#,
        r#"["\ud800x"]"#,
    ] {
        let error = error(text);
        assert_eq!(
            (error.kind, error.path.as_str()),
            (Encoding, "$[0]"),
            "{text}"
        );
        assert_eq!(error.message, "half of a surrogate pair in a \\u escape");
        assert!((3..=15).contains(&error.column), "{error}");
    }
    assert_eq!(error(r#"{"\ud800":1}"#).kind, Encoding);
}

#[test]
fn nesting_is_limited() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(to_text(&value(&nested(64))), nested(64));
    let error = error(nested(65));
    assert_eq!((error.kind, error.column), (JsonErrorKind::Limit, 65));
    assert_eq!(error.message, "nested deeper than 64 levels");
    let deeper = nested(65);
    let own = Document::parse_within(deeper.as_bytes(), Limits::OWN);
    assert_eq!(to_text(own.unwrap().value()), deeper);
}

#[test]
fn nesting_of_a_million_levels_is_refused_without_a_stack_to_match() {
    let objects = "{\"a\":".repeat(1_000_000) + "1" + &"}".repeat(1_000_000);
    assert_eq!(error(objects).kind, JsonErrorKind::Limit);
    assert_eq!(error("[".repeat(1_000_000)).kind, JsonErrorKind::Syntax);
}

#[test]
fn size_is_limited() {
    let limits = Limits::FOREIGN.with_bytes(4);
    assert!(Document::parse_within(b"[10]", limits).is_ok());
    let error = Document::parse_within(b"[100]", limits).unwrap_err();
    assert_eq!(error.kind, JsonErrorKind::Limit);
    assert_eq!(error.message, "5 bytes are more than the limit of 4");
    assert_eq!(Limits::default().bytes, 268_435_456);
}

#[test]
fn lines_are_read_one_by_one_with_their_numbers() {
    let bytes = b"{\"a\":1}\r\n\n  \n{\"a\":}\n[2]\n";
    let read: Vec<_> = lines(bytes, Limits::FOREIGN).collect();
    assert_eq!(read.len(), 3);
    assert_eq!(to_text(read[0].as_ref().unwrap().value()), r#"{"a":1}"#);
    let error = read[1].as_ref().unwrap_err();
    assert_eq!(
        (error.line, error.column, error.path.as_str()),
        (4, 6, "$.a")
    );
    let item = read[2]
        .as_ref()
        .unwrap()
        .root()
        .array()
        .unwrap()
        .next()
        .unwrap();
    assert_eq!(item.position(), (5, 2));
}

#[test]
fn a_wrong_shape_is_named_with_its_place() {
    let text =
        "{\"features\": [\n  {\"id\": \"A\", \"n\": 1.5},\n  {\"id\": 7, \"a b\": [null]}\n]}";
    let document = Document::parse(text.as_bytes()).unwrap();
    let features = document
        .root()
        .object()
        .unwrap()
        .required("features")
        .unwrap();
    let items: Vec<_> = features.array().unwrap().collect();
    let first = items[0].object().unwrap();
    let second = items[1].object().unwrap();
    let message = |result: Result<(), JsonError>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind, JsonErrorKind::Shape);
        error.to_string()
    };
    let id = second.required("id").unwrap();
    assert_eq!(
        message(id.str().map(drop)),
        "line 3, column 10, at $.features[1].id: expected text, found number"
    );
    assert_eq!(
        message(second.required("name").map(drop)),
        "line 3, column 3, at $.features[1]: missing key \"name\""
    );
    assert_eq!(
        message(first.get("n").unwrap().u32_in(0..=99).map(drop)),
        "line 2, column 20, at $.features[0].n: expected a whole number from 0 to 99, found 1.5"
    );
    assert_eq!(
        message(id.u32_in(0..=6).map(drop)),
        "line 3, column 10, at $.features[1].id: expected a whole number from 0 to 6, found 7"
    );
    let null = second.get("a b").unwrap().array().unwrap().next().unwrap();
    assert_eq!(
        message(null.bool().map(drop)),
        "line 3, column 21, at $.features[1][\"a b\"][0]: expected true or false, found null"
    );
    assert_eq!(
        message(features.object().map(drop)),
        "line 1, column 14, at $.features: expected an object, found array"
    );
    assert_eq!(
        message(first.get("id").unwrap().parsed(str::parse::<u8>).map(drop)),
        "line 2, column 10, at $.features[0].id: invalid digit found in string"
    );
}

#[test]
fn right_shapes_are_read() {
    let text = r#"{"t":true,"n":-5,"u":18446744073709551615,"z":null,"l":[],"v":4294967295}"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let object = document.root().object().unwrap();
    assert!(object.required("t").unwrap().bool().unwrap());
    let number = object.required("n").unwrap();
    assert_eq!(number.i64_in(i64::MIN..=i64::MAX), Ok(-5));
    assert!(number.u32_in(0..=u32::MAX).is_err());
    assert_eq!(
        object.required("u").unwrap().u64_in(0..=u64::MAX),
        Ok(u64::MAX)
    );
    assert_eq!(
        object.required("v").unwrap().u32_in(0..=u32::MAX),
        Ok(u32::MAX)
    );
    assert!(object.get("z").is_some() && object.opt("z").is_none());
    assert!(object.get("absent").is_none());
    assert_eq!(object.required("l").unwrap().array().unwrap().len(), 0);
}

#[test]
fn unknown_keys_are_kept_in_order_as_spelled() {
    let text = r#"{ "z": 1.0, "id": "A", "a": {"k": -0}, "name": null, "e": 1e3 }"#;
    let document = Document::parse(text.as_bytes()).unwrap();
    let object = document.root().object().unwrap();
    assert_eq!(
        object.unknown_text(&["id", "name", "other"]).unwrap(),
        r#"{"z":1.0,"a":{"k":-0},"e":1e3}"#
    );
    assert_eq!(object.unknown_text(&["z", "id", "a", "name", "e"]), None);
}

#[test]
fn what_a_terminal_could_act_on_is_escaped() {
    let raw = "\u{1b}[2J\u{7f}\u{85}\u{9f}\u{a0}\u{2027}\u{2028}\u{2029}\u{202a}\u{202e}\u{202f}\u{2066}\u{2069}\u{206a}";
    let escaped = "\"\\u001b[2J\\u007f\\u0085\\u009f\u{a0}\u{2027}\\u2028\\u2029\\u202a\\u202e\u{202f}\\u2066\\u2069\u{206a}\"";
    assert_eq!(quoted(raw), escaped);
    assert_eq!(value(escaped).as_str(), Some(raw));
    assert_eq!(
        error("{\"\u{202e}\": 1, \"\u{202e}\": 2}").to_string(),
        r#"line 1, column 10, at $["\u202e"]: duplicate key "\u202e""#
    );
}

#[test]
fn a_long_key_is_cut_in_messages() {
    let key = "k".repeat(10_000);
    let error = error(format!("{{\"{key}\":1,\"{key}\":2}}"));
    assert!(error.to_string().len() < 300, "{error}");
}

#[test]
fn pretty_text_has_one_key_per_line_down_to_the_level_asked_for() {
    let value = value(r#"{"tasks":[{"id":"A","m":{"x":[1.0,{}]}},{"id":"B"}],"none":[]}"#);
    let all = r#"{
  "tasks": [
    {
      "id": "A",
      "m": {
        "x": [
          1.0,
          {}
        ]
      }
    },
    {
      "id": "B"
    }
  ],
  "none": []
}
"#;
    assert_eq!(to_pretty(&value, Layout::OneKeyPerLine), all);
    let two = r#"{
  "tasks": [
    {"id":"A","m":{"x":[1.0,{}]}},
    {"id":"B"}
  ],
  "none": []
}
"#;
    assert_eq!(to_pretty(&value, Layout::Levels(2)), two);
}

#[test]
fn an_object_keeps_order_through_changes() {
    let mut object: Object = (0_u32..40).map(|at| (format!("k{at}"), at)).collect();
    assert_eq!(object.insert("k7", "seven"), Some(Value::from(7_u32)));
    assert_eq!(object.remove("k3"), Some(Value::from(3_u32)));
    assert_eq!(object.remove("k3"), None);
    for at in 4..35 {
        object.remove(&format!("k{at}"));
    }
    object.insert("k3", Value::Null);
    let text = to_text(&Value::Object(object.clone()));
    assert_eq!(
        text,
        r#"{"k0":0,"k1":1,"k2":2,"k35":35,"k36":36,"k37":37,"k38":38,"k39":39,"k3":null}"#
    );
    assert_eq!(object.get("k39"), Some(&Value::from(39_u32)));
    assert_eq!(object.len(), 9);
}

#[test]
fn what_is_written_while_it_is_made_reads_as_the_value_it_stands_for() {
    let other = value(r#"{"x":[1.0,"\u001b"]}"#);
    let object = WrittenObject::new()
        .with("text", "a \"b\"\n")
        .with("own", "é".to_owned())
        .with("a \"key\"", true)
        .with("numbers", Written::from_iter([i64::MIN, -1, 0, i64::MAX]))
        .with("largest", u64::MAX)
        .with("spelled", Number::parse("1e3").unwrap())
        .with("nothing", None::<u8>)
        .with("something", Some(7_u32))
        .with("at", Rfc3339(0))
        .with("empty", WrittenObject::new())
        .with("inner", WrittenObject::new().with("a", -1_i32))
        .with_list("none", [""; 0])
        .with_list(
            "objects",
            [1_usize, 2].map(|n| WrittenObject::new().with("n", n)),
        )
        .with("other", &other);
    assert_eq!(
        Written::from(object).into_text(),
        concat!(
            r#"{"text":"a \"b\"\n","own":"é","a \"key\"":true,"#,
            r#""numbers":[-9223372036854775808,-1,0,9223372036854775807],"#,
            r#""largest":18446744073709551615,"spelled":1e3,"nothing":null,"something":7,"#,
            r#""at":"1970-01-01T00:00:00Z","empty":{},"inner":{"a":-1},"none":[],"#,
            r#""objects":[{"n":1},{"n":2}],"other":{"x":[1.0,"\u001b"]}}"#,
        )
    );
}

#[test]
fn each_byte_in_each_place_is_escaped_where_it_must_be() {
    for length in 1..20 {
        for (at, byte) in (0..length).flat_map(|at| (0..=0x7f).map(move |byte| (at, byte))) {
            let mut bytes = vec![b'a'; length];
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            let must = matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f);
            let written = quoted(&text);
            assert_eq!(written == format!("\"{text}\""), !must, "{text:?}");
            assert_eq!(value(&written).as_str(), Some(text.as_str()));
        }
    }
}

#[test]
fn an_object_finds_its_keys_however_many_it_has() {
    let mut object = Object::new();
    for number in 0..40 {
        assert_eq!(object.insert(number.to_string(), number), None);
        for key in 0..=number {
            assert_eq!(object.get(&key.to_string()), Some(&Value::from(key)));
        }
        assert!(!object.contains_key(&(number + 1).to_string()));
    }
    assert_eq!(object.insert("20", "new"), Some(Value::from(20)));
    for number in (1..40).rev() {
        assert!(object.remove(&number.to_string()).is_some());
        assert!(!object.contains_key(&number.to_string()));
        assert_eq!(object.get("0"), Some(&Value::from(0)));
        assert_eq!(object.len(), number);
    }
}

#[test]
fn keys_after_one_that_goes_are_still_found() {
    let mut object: Object = (0..40)
        .map(|number| (number.to_string(), Value::from(number)))
        .collect();
    for gone in 0..20 {
        assert_eq!(object.remove(&gone.to_string()), Some(Value::from(gone)));
        object.insert(format!("new {gone}"), gone);
        for key in gone + 1..40 {
            assert_eq!(object.get(&key.to_string()), Some(&Value::from(key)));
        }
        for key in 0..=gone {
            assert_eq!(object.get(&format!("new {key}")), Some(&Value::from(key)));
        }
    }
}

fn any_number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?"
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_number().prop_map(|text| Value::from(Number::parse(&text).unwrap())),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..24)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_survives_its_texts(value in any_value(), levels in 0_usize..8) {
        let text = to_text(&value);
        let read = Document::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.value(), &value);
        prop_assert_eq!(to_text(read.value()), &*text);
        prop_assert_eq!(Written::of(read.value()).into_text(), text);
        let pretty = to_pretty(&value, Layout::Levels(levels));
        let read = Document::parse(pretty.as_bytes()).unwrap();
        prop_assert_eq!(read.value(), &value);
        prop_assert_eq!(to_pretty(read.value(), Layout::Levels(levels)), pretty);
    }

    #[test]
    fn every_place_in_a_document_is_found_again(value in any_value()) {
        let text = to_pretty(&value, Layout::OneKeyPerLine);
        let document = Document::parse(text.as_bytes()).unwrap();
        let mut open = vec![document.root()];
        while let Some(node) = open.pop() {
            let (line, column) = node.position();
            let rest: String = text.lines().nth(line - 1).unwrap().chars().skip(column - 1).collect();
            let shown = to_pretty(node.value(), Layout::OneKeyPerLine);
            prop_assert!(rest.starts_with(shown.lines().next().unwrap()), "{} {rest}", node.path());
            match node.value() {
                Value::Array(_) => open.extend(node.array().unwrap()),
                Value::Object(_) => open.extend(node.object().unwrap().iter().map(|(_, node)| node)),
                _ => {}
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Document::parse(&bytes);
    }

    #[test]
    fn no_json_like_text_makes_the_reader_panic(text in "[\\[\\]{}:,\"\\\\u0-9a-fDdtrnl .eE+\né<=-]{0,60}") {
        if let Err(error) = Document::parse(text.as_bytes()) {
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    #[test]
    fn a_document_cut_anywhere_is_refused_or_whole(value in any_value(), cut in 0.0..1.0) {
        let text = to_text(&Value::Array(vec![value]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short text")]
        let at = (text.len() as f64 * cut) as usize;
        prop_assert!(Document::parse(&text.as_bytes()[..at]).is_err());
    }

    #[test]
    fn our_reader_and_the_plain_one_agree(text in "[\\[\\]{}:,\"0-9a-ctrue .eE-]{0,12}") {
        let plain = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        match Document::parse(text.as_bytes()) {
            Ok(_) => prop_assert!(plain),
            Err(error) => prop_assert!(!plain || error.kind == JsonErrorKind::Duplicate),
        }
    }
}
