use super::super::sign::SigningKey;
use super::super::testing::{Fake, SECRET};
use super::*;

fn message() -> Message {
    Message {
        id: "msg_1".into(),
        receiver: "ops".into(),
        group_labels: Default::default(),
        alerts: Vec::new(),
        truncated: 0,
    }
}

async fn answered(answer: &str) -> Result<(), WebhookError> {
    let fake = Fake::start(&[answer]).await;
    send(&fake.webhook("/hook"), &message(), b"{}".to_vec()).await
}

#[tokio::test]
async fn a_request_is_signed_and_says_what_it_is() {
    let mut fake = Fake::start(&["204 No Content"]).await;
    send(&fake.webhook("/hook?team=a"), &message(), b"{\"a\":1}".to_vec()).await.unwrap();
    let asked = fake.asked.recv().await.unwrap();
    assert_eq!(asked.head[0], "POST /hook?team=a HTTP/1.1");
    assert_eq!(asked.body, b"{\"a\":1}");
    assert_eq!(asked.header("host").unwrap(), fake.address.to_string());
    assert_eq!(asked.header("content-type").unwrap(), "application/json");
    assert_eq!(asked.header("webhook-id").unwrap(), "msg_1");
    let timestamp: u64 = asked.header("webhook-timestamp").unwrap().parse().unwrap();
    let expected = SigningKey::new(SECRET).unwrap().sign("msg_1", timestamp, &asked.body);
    assert_eq!(asked.header("webhook-signature").unwrap(), expected);
}

#[tokio::test]
async fn what_may_come_right_is_tried_again_and_the_rest_is_given_up() {
    for (answer, outcome) in [
        ("500 Internal Server Error", Outcome::Failed(None)),
        ("503 Unavailable\r\nRetry-After: 7", Outcome::Failed(Some(Millis(7_000)))),
        ("429 Too Many\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT", Outcome::Failed(None)),
        ("408 Request Timeout", Outcome::Failed(None)),
        ("400 Bad Request", Outcome::Refused),
        ("404 Not Found", Outcome::Refused),
        ("410 Gone", Outcome::Refused),
    ] {
        let failed = answered(answer).await.unwrap_err();
        assert_eq!(failed.outcome(), outcome, "{answer}: {failed}");
    }
    assert!(answered("200 OK").await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Fake::start(&["200 OK"]).await;
    let failed =
        answered(&format!("302 Found\r\nLocation: http://{}/", elsewhere.address)).await.unwrap_err();
    assert!(failed.to_string().contains("redirects are not followed"), "{failed}");
    assert_eq!(failed.outcome(), Outcome::Refused);
    assert!(elsewhere.asked.try_recv().is_err());
}

#[tokio::test]
async fn a_private_target_is_refused_unless_allowed_and_nobody_connects() {
    let mut fake = Fake::start(&["200 OK"]).await;
    for host in [fake.address.to_string(), format!("localhost:{}", fake.address.port())] {
        let url = format!("http://{host}/").parse().unwrap();
        let webhook = Webhook { url, allow_private: false, ..fake.webhook("/") };
        let failed = send(&webhook, &message(), Vec::new()).await.unwrap_err();
        assert!(failed.to_string().contains("allow_private"), "{failed}");
    }
    assert!(fake.asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_is_left() {
    let fake = Fake::start(&[]).await;
    let failed = send(&fake.webhook("/"), &message(), Vec::new()).await.unwrap_err();
    assert_eq!(failed.outcome(), Outcome::Failed(None), "{failed}");
}

#[tokio::test]
async fn nobody_there_and_no_http_are_told_and_tried_again() {
    let fake = Fake::start(&["not http at all"]).await;
    let failed = send(&fake.webhook("/"), &message(), Vec::new()).await.unwrap_err();
    assert_eq!(failed.outcome(), Outcome::Failed(None), "{failed}");
    let webhook = fake.webhook("/");
    drop(fake);
    let failed = send(&webhook, &message(), Vec::new()).await.unwrap_err();
    assert!(failed.to_string().contains("cannot connect to 127.0.0.1"), "{failed}");
}
