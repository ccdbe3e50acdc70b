use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cluster::pod_object::PodObject;
use image_pull_model::facts::PodFacts;

type WatchEvent = super::WatchEvent<PodObject>;

fn json(text: &str) -> Result<WatchEvent, DecodeError> {
    Encoding::Json.decode_event(&Bytes::copy_from_slice(text.as_bytes()))
}

/// A field of a text, bytes or a message.
fn field(number: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut field = vec![number << 3 | 2];
    let mut length = value.len();
    while length > 127 {
        field.push(0x80 | length.to_le_bytes()[0]);
        length >>= 7;
    }
    field.push(length.to_le_bytes()[0]);
    [&field, value].concat()
}

fn enveloped(object: &[u8]) -> Vec<u8> {
    [PROTOBUF_MAGIC, &field(2, object)].concat()
}

fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    [field(1, kind), field(2, field(1, enveloped(object)))].concat()
}

fn protobuf(kind: &str, object: &[u8]) -> Result<WatchEvent, DecodeError> {
    Encoding::Protobuf.decode_event(&event(kind, object).into())
}

/// The pod of [`POD`].
fn protobuf_pod() -> Vec<u8> {
    field(1, [field(1, "web"), field(3, "shop"), field(5, "u"), field(6, "7")].concat())
}

fn protobuf_bookmark(version: &str, ends_list: &str) -> Vec<u8> {
    let annotation = |key: &str, value: &str| field(12, [field(1, key), field(2, value)].concat());
    field(1, [field(6, version), annotation("a", "true"), annotation(END, ends_list)].concat())
}

const END: &str = "k8s.io/initial-events-end";
const POD: &str = r#"{"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"7"}}"#;

fn id() -> PodId {
    PodId { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "u".to_owned() }
}

fn facts() -> PodFacts {
    PodFacts { id: id(), ..PodFacts::default() }
}

/// The pod of an event, read to its end, and the event's change and version.
fn read(word: Result<WatchEvent, DecodeError>) -> (ObjectChange, String, Result<PodFacts, UndecodableObject>) {
    let Ok(WatchEvent::Object { change, version, object: pod }) = word else { panic!("{word:?} is a pod's event") };
    (change, version, pod.and_then(PodObject::into_facts))
}

#[test]
fn a_pod_event_is_decoded_in_any_field_order() {
    for (kind, change) in
        [("ADDED", ObjectChange::Added), ("MODIFIED", ObjectChange::Modified), ("DELETED", ObjectChange::Deleted)]
    {
        let expected = (change, "7".to_owned(), Ok(facts()));
        assert_eq!(read(json(&format!(r#"{{"type":"{kind}","object":{POD}}}"#))), expected);
        assert_eq!(read(json(&format!(r#"{{"object":{POD},"type":"{kind}"}}"#))), expected);
        assert_eq!(read(protobuf(kind, &protobuf_pod())), expected);
    }
}

#[test]
fn a_bookmark_marks_the_end_of_the_initial_events() {
    for (annotations, ends_list) in [
        (r#"{"k8s.io/initial-events-end":"true"}"#, true),
        (r#"{"k8s.io/initial-events-end":"false"}"#, false),
        ("null", false),
    ] {
        let object = format!(r#"{{"kind":"Pod","metadata":{{"resourceVersion":"9","annotations":{annotations}}}}}"#);
        let expected = WatchEvent::Bookmark { version: "9".to_owned(), ends_list };
        assert_eq!(json(&format!(r#"{{"type":"BOOKMARK","object":{object}}}"#)), Ok(expected));
    }
    for (value, ends_list) in [("true", true), ("false", false)] {
        let expected = WatchEvent::Bookmark { version: "9".to_owned(), ends_list };
        assert_eq!(protobuf("BOOKMARK", &protobuf_bookmark("9", value)), Ok(expected));
    }
}

#[test]
fn an_error_event_has_a_message_and_retry_after() {
    let expected = |retry_after| WatchEvent::Error(ApiStatus { code: 429, message: "busy".to_owned(), retry_after });
    let object =
        r#"{"kind":"Status","status":"Failure","message":"busy","code":429,"details":{"retryAfterSeconds":3}}"#;
    let seconds = Some(Duration::from_secs(3));
    assert_eq!(json(&format!(r#"{{"type":"ERROR","object":{object}}}"#)), Ok(expected(seconds)));
    // Field 5 of the details, in a varint: 3, and -3.
    for (wait, seconds) in [(&[3_u8][..], seconds), (&[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], None)]
    {
        let details = [&[5 << 3], wait].concat();
        let status = [field(3, "busy"), field(5, details), vec![6 << 3, 0xad, 3]].concat();
        assert_eq!(protobuf("ERROR", &status), Ok(expected(seconds)));
    }
}

#[test]
fn an_undecodable_object_is_skipped_and_identified() {
    let broken = r#"{"metadata":{"namespace":"shop","name":"web","uid":"u"},"spec":{"containers":{}}}"#;
    for (object, id, named) in [
        (broken, id(), "shop/web: invalid type: map, expected a list"),
        (r#""text""#, PodId::default(), "an unnamed object: invalid type"),
        ("{}", PodId::default(), "an unnamed object: metadata.name or metadata.uid is missing"),
    ] {
        let (change, _, pod) = read(json(&format!(r#"{{"type":"DELETED","object":{object}}}"#)));
        let problem = pod.unwrap_err();
        assert_eq!((change, &problem.id), (ObjectChange::Deleted, &id));
        assert!(problem.to_string().starts_with(named), "{problem}");
    }
    let grown = json(&format!(r#"{{"type":"GROWN","object":{POD}}}"#));
    let Ok(WatchEvent::Malformed(problem)) = grown else { panic!("{grown:?}") };
    assert_eq!(problem.to_string(), "shop/web: a watch event of unknown type \"GROWN\"");
    assert!(matches!(protobuf("GROWN", &protobuf_pod()), Ok(WatchEvent::Malformed(problem)) if problem.id == id()));
    // Metadata whose name is a number, and a pod that is cut off behind its metadata.
    let (_, _, pod) = read(protobuf("DELETED", &field(1, [1 << 3, 7])));
    assert_eq!(pod.unwrap_err().id, PodId::default());
    let (_, _, pod) = read(protobuf("DELETED", &[protobuf_pod(), vec![2 << 3 | 2, 127]].concat()));
    assert_eq!(pod.unwrap_err().id, id());
}

#[test]
fn an_oversized_event_is_identified_by_its_prefix() {
    let long = "x".repeat(10_000);
    let in_json =
        format!(r#"{{"type":"DELETED","object":{{"kind":"Pod",{},"spec":"{long}"}}}}"#, &POD[1..POD.len() - 1]);
    let in_protobuf = event("DELETED", &[protobuf_pod(), field(2, long)].concat());
    for (encoding, event) in [(Encoding::Json, in_json.as_bytes()), (Encoding::Protobuf, &in_protobuf)] {
        let (change, _, pod) = read(Ok(encoding.decode_oversized_event(&event[..4096], 9_000_000)));
        let expected = UndecodableObject { id: id(), problem: UndecodableReason::TooLarge { bytes: 9_000_000 } };
        assert_eq!((change, pod), (ObjectChange::Deleted, Err(expected)));
        let word = encoding.decode_oversized_event(&[], 9_000_000);
        assert!(matches!(word, WatchEvent::Malformed(_)), "{word:?}");
    }
}

#[test]
fn invalid_utf_8_is_replaced() {
    let name = |name: &[u8]| {
        [br#"{"type":"ADDED","object":{"metadata":{"namespace":"shop","uid":"u","name":""#, name, br#""}}}"#].concat()
    };
    let (_, _, pod) = read(Encoding::Json.decode_event(&name(b"w\xff").into()));
    assert_eq!(pod.unwrap().id, PodId { name: "w\u{fffd}".to_owned(), ..id() });
    let page = [br#"{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"\xff"#.as_slice()].concat();
    let page = [&page[..page.len() - 4], b"\xff\",\"uid\":\"a\"}},", POD.as_bytes(), b"]}"].concat();
    let (read, pods) = page_of(Encoding::Json, &page.into()).expect("it is a page");
    assert_eq!((read.item_count, read.resource_version.as_str()), (2, "9"));
    let names: Vec<&str> = pods.iter().map(|pod| pod.as_ref().unwrap().id.name.as_str()).collect();
    assert_eq!(names, ["\u{fffd}", "web"]);
}

#[test]
fn texts_of_the_api_server_are_bounded() {
    let long = "9".repeat(100_000);
    let expected = WatchEvent::Bookmark { version: String::new(), ends_list: false };
    assert_eq!(protobuf("BOOKMARK", &protobuf_bookmark(&long, "false")), Ok(expected), "a version that is cut is none");
    let Ok(WatchEvent::Error(status)) = protobuf("ERROR", &field(3, &long)) else { panic!("it is an error") };
    assert!(status.message.len() < MAX_MESSAGE + 20);
    let list = enveloped(&field(1, [field(2, "9"), field(3, &long)].concat()));
    assert!(page_of(Encoding::Protobuf, &list.into()).is_err(), "a token that is cut is none");
    assert!(Encoding::decode_status(None, 500, &long.into()).message.len() < MAX_MESSAGE + 20);
}

#[test]
fn a_frame_without_an_event_is_a_decode_error() {
    for line in ["", "{", "[]", "null", r#"{"type":"ADDED"}"#, r#"{"type":"BOOKMARK","object":7}"#, "HTTP/1.1 200 OK"] {
        assert!(json(line).is_err(), "{line}");
    }
    for frame in [&b"k8s\0"[..], b"\xff\xff\xff", b"{\"type\":\"ADDED\"}"] {
        assert!(Encoding::Protobuf.decode_event::<PodObject>(&Bytes::from_static(frame)).is_err(), "{frame:?}");
    }
}

/// The pods of a page, read to their end.
fn page_of(
    encoding: Encoding,
    body: &Bytes,
) -> Result<(PageMetadata, Vec<Result<PodFacts, UndecodableObject>>), DecodeError> {
    let mut items = encoding.decode_list(body.clone())?;
    let mut pods = Vec::new();
    while let Some(pod) = items.next_object()? {
        pods.push(pod.and_then(PodObject::into_facts));
    }
    Ok((items.into_page_metadata()?, pods))
}

#[test]
fn a_page_is_decoded_and_undecodable_objects_in_it_are_skipped() {
    let metadata = r#""metadata":{"resourceVersion":"9","continue":"more"}"#;
    let expected = |objects| PageMetadata {
        resource_version: "9".to_owned(),
        continue_token: "more".to_owned(),
        item_count: objects,
    };
    for body in [
        format!(r#"{{"kind":"PodList",{metadata},"items":[{POD},{{"metadata":7}},{POD}]}}"#),
        format!("\n{{ \"items\" : [ {POD} , {{\"metadata\":7}} ,\t{POD} ] , {metadata} , \"x\":[1,{{}}] }}\n"),
    ] {
        let (read, pods) = page_of(Encoding::Json, &body.into()).expect("it is a page");
        assert_eq!(read, expected(3));
        assert_eq!((&pods[0], &pods[2]), (&Ok(facts()), &Ok(facts())));
        assert!(matches!(&pods[1], Err(UndecodableObject { problem: UndecodableReason::Malformed(_), .. })));
    }
    for items in ["[]", "null", "[ ]"] {
        let body = format!(r#"{{{metadata},"items":{items}}}"#);
        assert_eq!(page_of(Encoding::Json, &body.into()), Ok((expected(0), Vec::new())));
    }

    let metadata = field(1, [field(2, "9"), field(3, "more")].concat());
    let list = enveloped(&[metadata, field(2, protobuf_pod()), field(2, [0x0a, 0xff])].concat());
    let (read, pods) = page_of(Encoding::Protobuf, &list.into()).expect("it is a page");
    assert_eq!(read, expected(2));
    assert!(matches!(&*pods, [Ok(pod), Err(_)] if *pod == facts()), "{pods:?}");
}

#[test]
fn a_truncated_page_is_a_decode_error() {
    for body in [
        "",
        "[]",
        r#"{"items":[{"metadata":{"#,
        r#"{"items":[{}"#,
        r#"{"items":[{},]}"#,
        r#"{"items":[{} {}]}"#,
        r#"{"items":[]"#,
        r#"{"items":[]}}"#,
        r#"{"items":7}"#,
        r#"{"items":{}}"#,
        r#"{"items":[],}"#,
        r#"{"metadata":7,"items":[]}"#,
        "<html>502</html>",
    ] {
        assert!(page_of(Encoding::Json, &body.into()).is_err(), "{body}");
        assert!(page_of(Encoding::Protobuf, &body.into()).is_err(), "{body}");
    }
}

#[test]
fn an_error_body_without_a_status_is_the_message() {
    let status = |encoding, body: &'static str| Encoding::decode_status(encoding, 503, &body.into());
    assert_eq!(status(None, "<html>\n  no\n backend </html>").message, "<html> no backend </html>");
    assert_eq!(status(Some(Encoding::Json), r#"{"message":"busy","code":429}"#).message, "busy");
    assert_eq!(status(Some(Encoding::Json), r#"{"message":"busy","code":429}"#).code, 503);
    assert_eq!(status(Some(Encoding::Protobuf), "text").message, "text");
}

#[test]
fn the_encoding_is_detected_by_media_type() {
    for (content_type, encoding) in [
        ("application/json", Some(Encoding::Json)),
        ("application/json;stream=watch", Some(Encoding::Json)),
        ("application/vnd.kubernetes.protobuf;stream=watch", Some(Encoding::Protobuf)),
        ("Application/JSON; charset=utf-8", Some(Encoding::Json)),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(Encoding::from_content_type(content_type), encoding);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), in_envelope: bool) {
        let bytes: Bytes = if in_envelope { [PROTOBUF_MAGIC, &bytes].concat().into() } else { bytes.into() };
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            drop(encoding.decode_event::<PodObject>(&bytes));
            drop(encoding.decode_oversized_event::<PodObject>(&bytes, bytes.len()));
            drop(page_of(encoding, &bytes));
            drop(Encoding::decode_status(Some(encoding), 500, &bytes));
        }
    }
}
