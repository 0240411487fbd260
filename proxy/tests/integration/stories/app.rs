//! An app without cookies: tokens come and go in `Sluice-Ticket` and `Sluice-Pass`.

use crate::support::{Request, Response, Scene, Status, until};

/// The app's memory.
#[derive(Debug, Default)]
struct App {
    ticket: Option<String>,
    pass: Option<String>,
}

impl App {
    async fn ask(&mut self, scene: &Scene, method: &str, target: &str) -> Response {
        let mut request = Request::app(method, target).header("X-Visitor", "app");
        for (name, token) in [("Sluice-Ticket", &self.ticket), ("Sluice-Pass", &self.pass)] {
            if let Some(token) = token {
                request = request.header(name, token);
            }
        }
        let response = scene.node.ask(&request).await;
        let keep = |name, kept: &mut Option<String>| {
            if let Some(token) = response.header(name) {
                *kept = Some(token.to_owned());
            }
        };
        keep("sluice-ticket", &mut self.ticket);
        keep("sluice-pass", &mut self.pass);
        response
    }

    async fn poll(&mut self, scene: &Scene) -> Status {
        Status::of(&self.ask(scene, "GET", "/.sluice/status?queue=shop").await).unwrap()
    }
}

#[tokio::test]
async fn an_app_waits_and_enters_with_headers_alone() {
    let (scene, mut inside) = Scene::one_seat().await;
    let mut app = App::default();
    assert_eq!(app.ask(&scene, "GET", "/api/cart").await.status, 429);
    let status = app.poll(&scene).await;
    assert_eq!((status.number, status.state.as_str()), (Some(2), "waiting"));
    assert_eq!(app.poll(&scene).await.number, Some(2), "the ticket is as good as the slip");

    inside.leave().await;
    until("the app is called", async || app.poll(&scene).await.may_enter().then_some(())).await;
    let answer = app.ask(&scene, "PUT", "/api/cart").await;
    assert!(answer.is_from_origin() && app.pass.is_some(), "{answer:?}");
    assert_eq!(scene.origin.last_hit().method, "PUT");
    app.ticket = None;
    assert!(app.ask(&scene, "GET", "/api/cart").await.is_from_origin(), "the pass is enough");
    for hit in scene.origin.hits() {
        let ours: Vec<_> = hit.headers.keys().filter(|name| name.as_str().starts_with("sluice")).collect();
        assert!(ours.is_empty(), "the origin got {ours:?}");
    }
}

#[tokio::test]
async fn a_broken_ticket_in_a_header_is_as_good_as_none() {
    let (scene, _inside) = Scene::one_seat().await;
    let mut app = App { ticket: Some("nonsense".into()), pass: Some("a.b.c".into()) };
    let answer = app.ask(&scene, "GET", "/api/cart").await;
    assert_eq!((answer.status, answer.json()["sluice"]["state"].as_str()), (429, Some("joining")));
    assert_eq!(app.poll(&scene).await.number, Some(2), "it was given a slip, as anybody is");
}
