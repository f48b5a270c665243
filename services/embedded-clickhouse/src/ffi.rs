//! libchdb's C functions, behind types that cannot be misused: the only unsafe code of the product.
//!
//! The signatures are those of `chdb.h` 26.7.3. A connection is owned by one thread at a time; results and streams
//! borrow it or own their memory. The library is never unloaded: its threads live as long as the process.
#![expect(unsafe_code, reason = "libchdb has a C interface; every call is in this module")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Why the engine did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is not a library that can be loaded, or is not libchdb.
    #[error("{} cannot be loaded as libchdb", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: libloading::Error,
    },
    /// The path has a byte that the engine cannot take.
    #[error("{} cannot be a data path: it has a zero byte or is not UTF-8", .0.display())]
    DataPath(PathBuf),
    /// The engine refused; it says why on stderr only.
    #[error("the engine did not open {}: is it writable, and made by this version or an older one?", .0.display())]
    Refused(PathBuf),
}

type Handle = *mut c_void;
type Query = unsafe extern "C" fn(
    Handle,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> Handle;

/// The functions of a loaded libchdb.
pub(crate) struct Api {
    connect: unsafe extern "C" fn(c_int, *const *const c_char) -> *mut Handle,
    close: unsafe extern "C" fn(*mut Handle),
    query: Query,
    stream_query: Query,
    stream_fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    stream_cancel: unsafe extern "C" fn(Handle, Handle),
    insert: Query,
    insert_append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(Handle) -> Handle,
    insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    insert_destroy: unsafe extern "C" fn(Handle),
    result_buffer: unsafe extern "C" fn(Handle) -> *const u8,
    result_length: unsafe extern "C" fn(Handle) -> usize,
    result_error: unsafe extern "C" fn(Handle) -> *const c_char,
    result_rows: unsafe extern "C" fn(Handle) -> u64,
    result_bytes: unsafe extern "C" fn(Handle) -> u64,
    storage_rows: unsafe extern "C" fn(Handle) -> u64,
    storage_bytes: unsafe extern "C" fn(Handle) -> u64,
    written_rows: unsafe extern "C" fn(Handle) -> u64,
    written_bytes: unsafe extern "C" fn(Handle) -> u64,
    result_destroy: unsafe extern "C" fn(Handle),
    shutdown: unsafe extern "C" fn() -> c_int,
}

/// What a statement has read and written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) result_rows: u64,
    pub(crate) result_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read_rows += other.read_rows;
        self.read_bytes += other.read_bytes;
        self.result_rows += other.result_rows;
        self.result_bytes += other.result_bytes;
        self.written_rows += other.written_rows;
        self.written_bytes += other.written_bytes;
    }
}

/// A statement and what it needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) sql: &'a [u8],
    pub(crate) format: &'a str,
    pub(crate) params: &'a [(String, String)],
}

/// Copies a symbol out of the library.
fn symbol<T: Copy>(library: &libloading::Library, name: &CStr) -> Result<T, libloading::Error> {
    // SAFETY: each caller's `T` is the signature that `chdb.h` declares for the name, and the library is never
    // unloaded, so that the copied pointer stays valid.
    unsafe { library.get::<T>(name.to_bytes_with_nul()).map(|symbol| *symbol) }
}

impl Api {
    /// Loads the library for the rest of the process's life, its signal handlers off.
    pub(crate) fn load(path: &Path) -> Result<&'static Self, OpenError> {
        let failed = |source| OpenError::Load { path: path.to_owned(), source };
        // SAFETY: libchdb's initialisers have no precondition; the file was checked against its known checksum.
        let library = unsafe { libloading::Library::new(path) }.map_err(failed)?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        let handlers: unsafe extern "C" fn(c_int) =
            symbol(library, c"chdb_set_signal_handlers_enabled").map_err(failed)?;
        // SAFETY: takes an integer; called before the first connection, as its documentation asks.
        unsafe { handlers(0) };
        Ok(Box::leak(Box::new(Self::from_library(library).map_err(failed)?)))
    }

    fn from_library(library: &libloading::Library) -> Result<Self, libloading::Error> {
        Ok(Self {
            connect: symbol(library, c"chdb_connect")?,
            close: symbol(library, c"chdb_close_conn")?,
            query: symbol(library, c"chdb_query_with_params_n")?,
            stream_query: symbol(library, c"chdb_stream_query_with_params_n")?,
            stream_fetch: symbol(library, c"chdb_stream_fetch_result")?,
            stream_cancel: symbol(library, c"chdb_stream_cancel_query")?,
            insert: symbol(library, c"chdb_stream_insert_with_params_n")?,
            insert_append: symbol(library, c"chdb_stream_append")?,
            insert_done: symbol(library, c"chdb_stream_done")?,
            insert_error: symbol(library, c"chdb_stream_insert_error")?,
            insert_destroy: symbol(library, c"chdb_destroy_insert_stream")?,
            result_buffer: symbol(library, c"chdb_result_buffer")?,
            result_length: symbol(library, c"chdb_result_length")?,
            result_error: symbol(library, c"chdb_result_error")?,
            result_rows: symbol(library, c"chdb_result_rows_read")?,
            result_bytes: symbol(library, c"chdb_result_bytes_read")?,
            storage_rows: symbol(library, c"chdb_result_storage_rows_read")?,
            storage_bytes: symbol(library, c"chdb_result_storage_bytes_read")?,
            written_rows: symbol(library, c"chdb_result_rows_written")?,
            written_bytes: symbol(library, c"chdb_result_bytes_written")?,
            result_destroy: symbol(library, c"chdb_destroy_query_result")?,
            shutdown: symbol(library, c"chdb_shutdown")?,
        })
    }

    /// Opens a connection: a session of its own. The first one opens the engine at the path, about 0.1 s; further
    /// ones (about 1 ms) must name the same path.
    pub(crate) fn connect(&'static self, data: &Path) -> Result<Connection, OpenError> {
        let bad_path = || OpenError::DataPath(data.to_owned());
        let path = data.to_str().ok_or_else(bad_path)?;
        let path = CString::new(format!("--path={path}")).map_err(|_| bad_path())?;
        let arguments = [c"clickhouse".as_ptr(), path.as_ptr()];
        // SAFETY: two zero-terminated strings that outlive the call.
        let owner = unsafe { (self.connect)(2, arguments.as_ptr()) };
        NonNull::new(owner)
            .map(|owner| Connection { api: self, owner })
            .ok_or_else(|| OpenError::Refused(data.to_owned()))
    }

    /// Ends the engine's threads; false if some went on. Does nothing while a connection is open.
    pub(crate) fn shutdown(&self) -> bool {
        // SAFETY: no arguments; the engine itself refuses while a connection is open.
        unsafe { (self.shutdown)() == 0 }
    }

    /// Copies a message that the engine owns; `None` for the null pointer, which means that all is well.
    fn message(text: *const c_char) -> Option<String> {
        // SAFETY: the engine gives null or a zero-terminated string that lives as long as its handle, which the
        // caller holds.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }
}

/// A session of the engine. Closing is dropping.
pub(crate) struct Connection {
    api: &'static Api,
    owner: NonNull<Handle>,
}

// SAFETY: the engine ties nothing of a connection to a thread; it asks only that calls on one connection do not
// overlap, which `&mut self` ensures.
unsafe impl Send for Connection {}

impl Connection {
    fn handle(&self) -> Handle {
        // SAFETY: `chdb_connect` returned this pointer to a live connection, and only `drop` closes it.
        unsafe { *self.owner.as_ptr() }
    }

    fn call(&mut self, function: Query, call: Call<'_>) -> Handle {
        let pointers = |pick: fn(&(String, String)) -> &String| -> (Vec<*const c_char>, Vec<usize>) {
            call.params.iter().map(pick).map(|text| (text.as_ptr().cast(), text.len())).unzip()
        };
        let (names, name_lengths) = pointers(|param| &param.0);
        let (values, value_lengths) = pointers(|param| &param.1);
        // SAFETY: pointers and lengths of slices that outlive the call; the engine copies what it keeps.
        unsafe {
            function(
                self.handle(),
                call.sql.as_ptr().cast(),
                call.sql.len(),
                call.format.as_ptr().cast(),
                call.format.len(),
                names.as_ptr(),
                name_lengths.as_ptr(),
                values.as_ptr(),
                value_lengths.as_ptr(),
                call.params.len(),
            )
        }
    }

    /// Runs a statement and keeps its whole result in memory.
    pub(crate) fn query(&mut self, call: Call<'_>) -> Result<Chunk, String> {
        let handle = self.call(self.api.query, call);
        Chunk::new(self.api, handle)
    }

    /// Begins a `SELECT`, whose result comes in chunks. The engine refuses any other statement.
    pub(crate) fn stream(&mut self, call: Call<'_>) -> Result<Rows<'_>, String> {
        let handle = self.call(self.api.stream_query, call);
        let head = Chunk::new(self.api, handle)?;
        Ok(Rows { connection: self, head, ended: false })
    }

    /// Begins an `INSERT` whose data is appended in the format; the statement has no `FORMAT` clause.
    pub(crate) fn insert(&mut self, call: Call<'_>) -> Result<Insert<'_>, String> {
        let handle = self.call(self.api.insert, call);
        let handle = NonNull::new(handle).ok_or("the engine gave no insert stream")?;
        let insert = Insert { connection: self, handle };
        match insert.error() {
            Some(error) => Err(error),
            None => Ok(insert),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `chdb_connect` and is closed once; streams borrow `self` and are gone.
        unsafe { (self.api.close)(self.owner.as_ptr()) };
    }
}

/// A piece of a result, in the engine's memory.
pub(crate) struct Chunk {
    api: &'static Api,
    handle: NonNull<c_void>,
}

// SAFETY: a result is plain memory that nothing else refers to; it may be read and freed on any thread.
unsafe impl Send for Chunk {}
// SAFETY: as above; shared use only reads.
unsafe impl Sync for Chunk {}

impl Chunk {
    fn new(api: &'static Api, handle: Handle) -> Result<Self, String> {
        let handle = NonNull::new(handle).ok_or("the engine gave no result")?;
        let chunk = Self { api, handle };
        // SAFETY: the handle is a live result.
        match Api::message(unsafe { (api.result_error)(handle.as_ptr()) }) {
            Some(error) => Err(error),
            None => Ok(chunk),
        }
    }

    /// What was read and written for this piece.
    pub(crate) fn counts(&self) -> Counts {
        // SAFETY: the handle is a live result; these functions only read it.
        let number =
            |function: unsafe extern "C" fn(Handle) -> u64| unsafe { function(self.handle.as_ptr()) };
        Counts {
            read_rows: number(self.api.storage_rows),
            read_bytes: number(self.api.storage_bytes),
            result_rows: number(self.api.result_rows),
            result_bytes: number(self.api.result_bytes),
            written_rows: number(self.api.written_rows),
            written_bytes: number(self.api.written_bytes),
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the handle is a live result.
        let (start, length) = unsafe {
            ((self.api.result_buffer)(self.handle.as_ptr()), (self.api.result_length)(self.handle.as_ptr()))
        };
        if start.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: the engine's buffer has this length, does not change, and is freed with the handle, which `self` owns.
        unsafe { std::slice::from_raw_parts(start, length) }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the handle is destroyed once.
        unsafe { (self.api.result_destroy)(self.handle.as_ptr()) };
    }
}

/// A `SELECT` that is running. Dropping it before its end cancels it.
pub(crate) struct Rows<'a> {
    connection: &'a mut Connection,
    head: Chunk,
    ended: bool,
}

impl Rows<'_> {
    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, String> {
        let api = self.connection.api;
        // SAFETY: a live connection and its own stream; `&mut self` keeps calls from overlapping.
        let handle = unsafe { (api.stream_fetch)(self.connection.handle(), self.head.handle.as_ptr()) };
        let chunk = Chunk::new(api, handle).inspect_err(|_| self.ended = true)?;
        self.ended = chunk.as_ref().is_empty();
        Ok((!self.ended).then_some(chunk))
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let cancel = self.connection.api.stream_cancel;
            // SAFETY: a live connection and its own stream, which has not ended.
            unsafe { cancel(self.connection.handle(), self.head.handle.as_ptr()) };
        }
    }
}

/// An `INSERT` that is running. Dropping it before [`Insert::finish`] cancels it.
pub(crate) struct Insert<'a> {
    connection: &'a mut Connection,
    handle: NonNull<c_void>,
}

impl Insert<'_> {
    /// Hands data over; waits while the engine is behind. False if the insert has failed: `finish` says why.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: a live stream; the engine copies the bytes.
        unsafe {
            (self.connection.api.insert_append)(self.handle.as_ptr(), data.as_ptr().cast(), data.len()) == 0
        }
    }

    /// Commits what was appended.
    pub(crate) fn finish(self) -> Result<Counts, String> {
        // SAFETY: a live stream, ended once; `drop` then frees it.
        let handle = unsafe { (self.connection.api.insert_done)(self.handle.as_ptr()) };
        Chunk::new(self.connection.api, handle).map(|chunk| chunk.counts())
    }

    fn error(&self) -> Option<String> {
        // SAFETY: a live stream.
        Api::message(unsafe { (self.connection.api.insert_error)(self.handle.as_ptr()) })
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is destroyed once; the engine cancels what was not finished.
        unsafe { (self.connection.api.insert_destroy)(self.handle.as_ptr()) };
    }
}
