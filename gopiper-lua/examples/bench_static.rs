//! A server of one file, as `gopiper run` serves its metrics: what `cargo xtask bench` compares
//! `/metrics` with.
//!
//! `bench_static FILE FOLDER` answers each request at FOLDER/gopiper/static.sock with the bytes of
//! FILE, until it is ended.
use std::{convert::Infallible, env, error::Error, fs, path::Path};

use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::UnixListener, runtime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench_static FILE FOLDER".into());
    };
    let bytes = Bytes::from(fs::read(file)?);
    let folder = Path::new(&folder).join("gopiper");
    fs::create_dir_all(&folder)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = UnixListener::bind(folder.join("static.sock"))?;
        loop {
            let (stream, _) = listener.accept().await?;
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let answer = |_| {
                    let bytes = bytes.clone();
                    async { Ok::<_, Infallible>(Response::new(Full::new(bytes))) }
                };
                let http = http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    })
}
