//! The program: everything is in the library.

/// A turn is made of many small values, on whichever thread: an allocator that is good at these takes a good part off what it costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    waypost::cli::main()
}
