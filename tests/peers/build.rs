//! tonic's service, from its own generator and without `protoc`.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let say = Method::builder()
        .name("say")
        .route_name("Say")
        .input_type("crate::tonic_echo::Text")
        .output_type("crate::tonic_echo::Text")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let echo = Service::builder().name("Echo").package("peers").method(say).build();
    Builder::new().compile(&[echo]);
}
