use proptest::prelude::*;

use super::*;
use crate::pull::facts::{PodFacts, PodId};

fn json(text: &str) -> Result<Word, Garbled> {
    Encoding::Json.word(&Bytes::copy_from_slice(text.as_bytes()))
}

fn enveloped(message: &impl Message) -> Bytes {
    let unknown = Unknown { raw: message.encode_to_vec().into() };
    [MAGIC, &unknown.encode_to_vec()].concat().into()
}

fn protobuf(kind: &str, message: &impl Message) -> Result<Word, Garbled> {
    let event = ProtobufEvent { kind: kind.to_owned(), object: Some(RawExtension { raw: enveloped(message) }) };
    Encoding::Protobuf.word(&event.encode_to_vec().into())
}

const POD: &str = r#"{"metadata":{"namespace":"shop","name":"web","uid":"u","resourceVersion":"7"}}"#;

fn pod() -> Sighting {
    let name = |name: &str| name.to_owned();
    PodFacts { id: PodId { namespace: name("shop"), name: name("web"), uid: name("u") }, ..PodFacts::default() }.into()
}

#[test]
fn a_pod_is_read_whatever_comes_first() {
    for (kind, change) in [("ADDED", Change::Added), ("MODIFIED", Change::Modified), ("DELETED", Change::Deleted)] {
        let expected = Word::Pod { change, version: "7".to_owned(), pod: Ok(pod()) };
        assert_eq!(json(&format!(r#"{{"type":"{kind}","object":{POD}}}"#)), Ok(expected));
        let expected = Word::Pod { change, version: "7".to_owned(), pod: Ok(pod()) };
        assert_eq!(json(&format!(r#"{{"object":{POD},"type":"{kind}"}}"#)), Ok(expected));
    }
}

#[test]
fn a_bookmark_says_whether_it_ends_the_beginning() {
    for (annotations, ends_list) in [
        (r#"{"k8s.io/initial-events-end":"true"}"#, true),
        (r#"{"k8s.io/initial-events-end":"false"}"#, false),
        ("null", false),
    ] {
        let object = format!(r#"{{"kind":"Pod","metadata":{{"resourceVersion":"9","annotations":{annotations}}}}}"#);
        let expected = Word::Bookmark { version: "9".to_owned(), ends_list };
        assert_eq!(json(&format!(r#"{{"type":"BOOKMARK","object":{object}}}"#)), Ok(expected));
    }
    let annotations = [(INITIAL_EVENTS_END.to_owned(), "true".to_owned())].into();
    let metadata = BookmarkMetadata { resource_version: "9".to_owned(), annotations };
    let expected = Word::Bookmark { version: "9".to_owned(), ends_list: true };
    assert_eq!(protobuf("BOOKMARK", &Bookmark { metadata: Some(metadata) }), Ok(expected));
}

#[test]
fn an_error_says_what_and_for_how_long() {
    let expected = |retry_after| Word::Error(Status { code: 429, message: "busy".to_owned(), retry_after });
    let object =
        r#"{"kind":"Status","status":"Failure","message":"busy","code":429,"details":{"retryAfterSeconds":3}}"#;
    let seconds = Some(Duration::from_secs(3));
    assert_eq!(json(&format!(r#"{{"type":"ERROR","object":{object}}}"#)), Ok(expected(seconds)));
    let details = Some(StatusDetails { retry_after_seconds: 3 });
    let status = StatusObject { message: "busy".to_owned(), details, code: 429 };
    assert_eq!(protobuf("ERROR", &status), Ok(expected(seconds)));
    let status = StatusObject { details: Some(StatusDetails { retry_after_seconds: -3 }), ..status };
    assert_eq!(protobuf("ERROR", &status), Ok(expected(None)));
}

#[test]
fn an_object_that_is_no_pod_costs_itself_only() {
    let broken = r#"{"metadata":{"namespace":"shop","name":"web"},"spec":{"containers":{}}}"#;
    for (line, named) in [
        (format!(r#"{{"type":"ADDED","object":{broken}}}"#), "shop/web"),
        (r#"{"type":"ADDED","object":"text"}"#.to_owned(), "a nameless object"),
        (format!(r#"{{"type":"GROWN","object":{POD}}}"#), "unknown type \"GROWN\""),
    ] {
        let Ok(Word::Senseless(problem)) = json(&line) else { panic!("{line} is senseless") };
        assert!(problem.to_string().contains(named), "{problem}");
    }
    let Ok(Word::Pod { pod: Err(Undecodable::Anonymous), .. }) = json(r#"{"type":"ADDED","object":{}}"#) else {
        panic!("a pod without a name is none")
    };
    // A message whose metadata is a number.
    let wrong = Bookmark { metadata: None };
    assert!(matches!(protobuf("GROWN", &wrong), Ok(Word::Senseless(_))));
    let event = ProtobufEvent {
        kind: "ADDED".to_owned(),
        object: Some(RawExtension {
            raw: [MAGIC, &Unknown { raw: vec![0x08, 7].into() }.encode_to_vec()].concat().into(),
        }),
    };
    assert!(matches!(Encoding::Protobuf.word(&event.encode_to_vec().into()), Ok(Word::Senseless(_))));
}

#[test]
fn what_is_no_event_at_all_is_garbled() {
    for line in ["", "{", "[]", "null", r#"{"type":"ADDED"}"#, r#"{"type":"BOOKMARK","object":7}"#, "HTTP/1.1 200 OK"] {
        assert!(json(line).is_err(), "{line}");
    }
    for frame in [&b"k8s\0"[..], b"\xff\xff\xff", b"{\"type\":\"ADDED\"}"] {
        assert!(Encoding::Protobuf.word(&Bytes::from_static(frame)).is_err(), "{frame:?}");
    }
}

fn page(encoding: Encoding, body: &Bytes) -> Result<(Page, Vec<Result<Sighting, Undecodable>>), Garbled> {
    let mut pods = Vec::new();
    let page = encoding.page(body, |pod| pods.push(pod))?;
    Ok((page, pods))
}

#[test]
fn a_page_is_read_and_a_broken_object_in_it_costs_itself_only() {
    let metadata = r#""metadata":{"resourceVersion":"9","continue":"more"}"#;
    let expected = |objects| Page { version: "9".to_owned(), token: "more".to_owned(), objects };
    let body = format!(r#"{{"kind":"PodList",{metadata},"items":[{POD},{{"metadata":7}},{POD}]}}"#);
    let (read, pods) = page(Encoding::Json, &body.into()).expect("it is a page");
    assert_eq!(read, expected(3));
    assert_eq!((&pods[0], &pods[2]), (&Ok(pod()), &Ok(pod())));
    assert!(matches!(&pods[1], Err(Undecodable::Malformed { .. })));
    for items in ["[]", "null"] {
        let body = format!(r#"{{{metadata},"items":{items}}}"#);
        assert_eq!(page(Encoding::Json, &body.into()), Ok((expected(0), Vec::new())));
    }

    let good: Pod = serde_json::from_str(POD).expect("it is a pod");
    let list = ProtobufList {
        metadata: Some(ListMeta { resource_version: "9".to_owned(), r#continue: "more".to_owned() }),
        items: vec![good.encode_to_vec().into(), vec![0x0a, 0xff].into()],
    };
    let (read, pods) = page(Encoding::Protobuf, &enveloped(&list)).expect("it is a page");
    assert_eq!(read, expected(2));
    let [Ok(glimpsed), Err(_)] = &*pods else { panic!("one of them is a pod: {pods:?}") };
    assert_eq!((glimpsed.id(), glimpsed.waits()), (pod().id(), false));
}

#[test]
fn half_a_page_is_none() {
    for body in ["", r#"{"items":[{"metadata":{"#, "<html>502</html>"] {
        assert!(page(Encoding::Json, &body.into()).is_err(), "{body}");
        assert!(page(Encoding::Protobuf, &body.into()).is_err(), "{body}");
    }
}

#[test]
fn an_error_that_is_no_status_is_its_own_message() {
    let status = |encoding, body: &'static str| Encoding::status(encoding, 503, &body.into());
    assert_eq!(status(None, "<html>\n  no\n backend </html>").message, "<html> no backend </html>");
    assert_eq!(status(Some(Encoding::Json), r#"{"message":"busy","code":429}"#).message, "busy");
    assert_eq!(status(Some(Encoding::Json), r#"{"message":"busy","code":429}"#).code, 503);
    assert_eq!(status(Some(Encoding::Protobuf), "text").message, "text");
}

#[test]
fn a_media_type_is_known_by_its_name() {
    for (content_type, encoding) in [
        ("application/json", Some(Encoding::Json)),
        ("application/json;stream=watch", Some(Encoding::Json)),
        ("application/vnd.kubernetes.protobuf;stream=watch", Some(Encoding::Protobuf)),
        ("Application/JSON; charset=utf-8", Some(Encoding::Json)),
        ("text/html", None),
        ("", None),
    ] {
        assert_eq!(Encoding::of(content_type), encoding);
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), in_envelope: bool) {
        let bytes: Bytes = if in_envelope { [MAGIC, &bytes].concat().into() } else { bytes.into() };
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            drop(encoding.word(&bytes));
            drop(encoding.page(&bytes, drop));
            drop(Encoding::status(Some(encoding), 500, &bytes));
        }
    }
}
