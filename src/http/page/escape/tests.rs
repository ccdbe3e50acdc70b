use super::{Escaper as _, VisibleText};

#[test]
fn markup_and_invisible_characters_are_escaped() {
    for (text, expected) in [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"onmouseover='x'&amp;", "&quot;onmouseover=&#39;x&#39;&amp;amp;"),
        ("app\u{202e}gnp.exe\0", "app\\u{202e}gnp.exe\\u{0}"),
        ("a\nb\tc\u{1b}", "a\nb\\tc\\u{1b}"),
        ("ünïcode", "ünïcode"),
    ] {
        let mut out = String::new();
        VisibleText.write_escaped_str(&mut out, text).unwrap();
        assert_eq!(out, expected);
    }
}
