//! The demo's origin: a shop with one thing to sell.

use axum::{
    Router,
    response::{Html, IntoResponse, Redirect},
    routing::{get, post},
};

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport \
    content='width=device-width,initial-scale=1'><style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:34rem;\
    margin:12vh auto;padding:0 1.5rem;color:#1c2430}button{font:inherit;padding:.6em 1.4em;border:0;border-radius:.5em;\
    background:#0b6e4f;color:#fff;cursor:pointer}a{color:#0b6e4f}@media(prefers-color-scheme:dark){body{background:\
    #12161c;color:#e6e9ee}a{color:#5cc9a3}}</style>";

pub(super) async fn serve(listener: std::net::TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let router = Router::new()
        .route("/", get(shop))
        .route("/buy", post(buy))
        .route("/thanks", get(thanks))
        .fallback(get(|| async { Redirect::to("/") }));
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn shop() -> Html<String> {
    Html(format!(
        "{HEAD}<title>Demo shop</title><h1>You are in.</h1><p>This page comes from the shop behind Sluice. Your place \
         is yours for as long as you look around; after two minutes without a request it goes to the next in line.\
         <p>One lamp, made once. <form method=post action=/buy><button>Buy the lamp</button></form>"
    ))
}

/// Ends the visit: the seat goes to the next in line at once.
async fn buy() -> impl IntoResponse {
    Redirect::to("/thanks")
}

async fn thanks() -> impl IntoResponse {
    let page = format!(
        "{HEAD}<title>Thank you</title><h1>Thank you.</h1><p>The lamp is yours, and your place in the shop has gone \
         to the next visitor: the shop said so with <code>Sluice-Session: end</code>. <p><a href=/>Queue again</a>"
    );
    ([("sluice-session", "end")], Html(page))
}
