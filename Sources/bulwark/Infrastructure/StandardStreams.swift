import Foundation

/// The three streams that every program expects to have.
enum StandardStreams {
  /// Takes the places of streams that the caller closed (`>&-`), and makes a pipe that nobody reads
  /// a write error instead of a silent death.
  ///
  /// Called before any file is opened: a checkpoint in the place of stderr would be written over by
  /// progress lines. What stands in for stdout refuses to be written, so that the loss of a result is
  /// noticed; what stands in for stderr takes everything.
  static func hold() {
    signal(SIGPIPE, SIG_IGN)
    let places = [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_WRONLY)]
    // In this order, as `open` takes the lowest free place.
    for (place, mode) in places where fcntl(place, F_GETFD) == -1 {
      _ = open("/dev/null", mode)
    }
  }
}
