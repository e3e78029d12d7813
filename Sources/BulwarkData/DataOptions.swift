/// What a caller may choose when loading a data set; the defaults change nothing that is stored.
public struct DataOptions: Sendable, Hashable, Codable {
  /// The kind; nil detects it from the path's content.
  public var kind: DataKind?
  /// At most this many training samples, balanced over the classes (see `SampleSelection`).
  public var limit: Int?
  /// At most this many test samples, chosen like `limit`.
  public var testLimit: Int?
  /// Side of the square that every image is brought to; nil keeps the stored size.
  public var imageSize: Int?
  /// 1 (gray) or 3 (RGB) converts every image; nil keeps the stored channels.
  public var channels: Int?
  /// Leaves out bad files with a counted warning instead of throwing.
  public var skipBad: Bool
  /// Share of the samples that becomes the test set where the layout has none. Nil means 0.2 for
  /// `<class>/*` folders and for the digits, and no test set for a folder with `train/` alone.
  public var testFraction: Double?
  /// Number of threads that decode images.
  public var threads: Int

  /// Makes options; every argument has the default described at its property.
  public init(
    kind: DataKind? = nil, limit: Int? = nil, testLimit: Int? = nil, imageSize: Int? = nil,
    channels: Int? = nil, skipBad: Bool = false, testFraction: Double? = nil, threads: Int = 2
  ) {
    self.kind = kind
    self.limit = limit
    self.testLimit = testLimit
    self.imageSize = imageSize
    self.channels = channels
    self.skipBad = skipBad
    self.testFraction = testFraction
    self.threads = threads
  }

  /// Checks every value.
  /// - Throws: `DataError.invalidOption` naming the first impossible one.
  public func validate() throws {
    func require(_ holds: Bool, _ name: String, _ value: Any?, _ expected: String) throws {
      guard holds else {
        let text = value.map { "\($0)" } ?? "not given"
        throw DataError.invalidOption(name: name, value: text, expected: expected)
      }
    }
    try require((limit ?? 1) >= 1, "--limit", limit, "at least 1")
    try require((testLimit ?? 1) >= 1, "--test-limit", testLimit, "at least 1")
    try require(
      (1...ImageCodec.maximumSide).contains(imageSize ?? 1), "--image-size", imageSize,
      "1...\(ImageCodec.maximumSide)")
    try require([1, 3].contains(channels ?? 1), "--channels", channels, "1 or 3")
    try require((1...256).contains(threads), "--threads", threads, "1...256")
    if let testFraction {
      try require(
        testFraction >= 0 && testFraction < 1, "--test-fraction", testFraction, "0 up to below 1")
    }
  }
}
