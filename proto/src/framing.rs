//! How messages are put into the frames of gRPC: into buffers that are as large as a message, not as the largest.
//!
//! Most messages of admission have some hundred bytes, and a call has four buffers.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

/// Room for the most frequent messages and their frame.
const BUFFER_BYTES: usize = 256;
/// What is more than this is sent before the next message of a stream is encoded.
const SENT_BEYOND_BYTES: usize = 32 * 1024;

/// Puts messages into frames, and takes them out.
#[derive(Debug)]
pub struct Framing<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Framing<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Framing<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Framer<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Framer<T> {
        Framer(PhantomData)
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::new(settings())
    }
}

/// Puts messages into frames.
#[derive(Debug)]
pub struct Framer<T>(PhantomData<T>);

impl<T: Message> Encoder for Framer<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|problem| Status::internal(problem.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        settings()
    }
}

fn settings() -> BufferSettings {
    BufferSettings::new(BUFFER_BYTES, SENT_BEYOND_BYTES)
}
