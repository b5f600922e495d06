//! What the service says of itself, on loopback: `/livez`, `/readyz`, `/metrics`, and `POST /run`.
//!
//! Promised: no answer names an account, a resource or a key. Refused: a request whose `Host` is another name than
//! that of the address it came in by (a browser that was led here), any method that is not the path's own, and
//! `POST /run` from another machine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::state::State;

/// Of `OpenMetrics`, which is what the library writes.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// Answers until the process ends.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(answer(stream, peer, Arc::clone(&state)));
            }
            Err(error) => {
                // Out of file descriptors, for one: it must not spin.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, peer: SocketAddr, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, peer, &state);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(std::time::Duration::from_secs(5));
    if let Err(error) = server.keep_alive(false).serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn respond<B>(request: &Request<B>, peer: SocketAddr, state: &State) -> Response<Full<Bytes>> {
    let (method, path) = (request.method(), request.uri().path());
    let of = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    if peer.ip().is_loopback() && !of(HOST).is_some_and(is_this_machine) {
        return text(StatusCode::MISDIRECTED_REQUEST, "this is not the host that you asked for\n");
    }
    let allowed = if path == "/run" { Method::POST } else { Method::GET };
    let is_known = matches!(path, "/livez" | "/readyz" | "/metrics" | "/run");
    if is_known && *method != allowed {
        return text(StatusCode::METHOD_NOT_ALLOWED, "try another method\n");
    }
    match path {
        "/livez" => verdict(state.alive()),
        "/readyz" => verdict(state.ready()),
        "/metrics" => {
            let mut response = text(StatusCode::OK, &state.metrics.text());
            response
                .headers_mut()
                .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(METRICS_TYPE));
            response
        }
        "/run" if !peer.ip().is_loopback() || of(ORIGIN).is_some() => {
            text(StatusCode::FORBIDDEN, "runs are started on this machine only\n")
        }
        "/run" => {
            if state.ask_for_a_run() {
                text(StatusCode::ACCEPTED, "an extra run starts\n")
            } else {
                text(StatusCode::CONFLICT, "a run is on its way already\n")
            }
        }
        _ => text(StatusCode::NOT_FOUND, "try /livez, /readyz or /metrics\n"),
    }
}

fn verdict(verdict: Result<(), String>) -> Response<Full<Bytes>> {
    match verdict {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("{why}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT_TYPE));
    response
}

/// A loopback address or `localhost`, with or without a port.
fn is_this_machine(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(state: &State, method: Method, path: &str, host: &str, peer: &str) -> u16 {
        let request = Request::builder().method(method).uri(path).header(HOST, host).body(()).unwrap();
        respond(&request, peer.parse().unwrap(), state).status().as_u16()
    }

    #[test]
    fn each_path_has_its_method_and_its_answer() {
        let state = State::new("1.0.0");
        let on = |method, path| ask(&state, method, path, "127.0.0.1:9464", "127.0.0.1:5");
        assert_eq!(on(Method::GET, "/livez"), 200);
        assert_eq!(on(Method::GET, "/readyz"), 503, "nothing was checked yet");
        state.set_ready(Ok(()));
        assert_eq!(on(Method::GET, "/readyz"), 200);
        assert_eq!(on(Method::GET, "/metrics"), 200);
        assert_eq!(on(Method::GET, "/run"), 405);
        assert_eq!(on(Method::POST, "/metrics"), 405);
        assert_eq!(on(Method::GET, "/"), 404);
        assert_eq!(on(Method::POST, "/run"), 202);
        assert_eq!(on(Method::POST, "/run"), 409, "one is asked for already");
    }

    #[test]
    fn a_browser_and_another_machine_start_no_run() {
        let state = State::new("1.0.0");
        assert_eq!(ask(&state, Method::POST, "/run", "10.0.0.5:9464", "10.0.0.9:5"), 403);
        assert_eq!(ask(&state, Method::POST, "/run", "evil.example.com", "127.0.0.1:5"), 421);
        assert_eq!(
            ask(&state, Method::GET, "/metrics", "10.0.0.5:9464", "10.0.0.9:5"),
            200,
            "metrics may be read"
        );
        let led = Request::builder().method(Method::POST).uri("/run").header(HOST, "localhost:9464");
        let led = led.header(ORIGIN, "https://evil.example.com").body(()).unwrap();
        assert_eq!(respond(&led, "127.0.0.1:5".parse().unwrap(), &state).status().as_u16(), 403);
    }

    #[test]
    fn this_machine_is_told_from_names_like_it() {
        for host in ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]", "[::1]:80"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com:80", "example.com"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
