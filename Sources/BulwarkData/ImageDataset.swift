import BulwarkTensor
import Synchronization

/// Labeled images, resident in memory once as 8-bit values.
///
/// A value type that shares its pixels: subsets and relabeled copies never change the original.
public struct ImageDataset: Sendable {
  /// `[N, C, H, W]`, uint8, on the CPU, contiguous; C is 1 or 3. Never written to after creation.
  public let images: Tensor
  /// N labels in `0..<classNames.count`.
  public let labels: [Int]
  /// One name per class, in label order.
  public let classNames: [String]
  /// The file of each sample, where samples are files.
  public let sources: [String]?
  private let fingerprintCache = Cache()

  /// Wraps images and labels after checking that they belong together.
  /// - Parameters:
  ///   - images: `[N, C, H, W]`, uint8, N at least 1, C 1 or 3.
  ///   - labels: N labels in `0..<classNames.count`.
  ///   - classNames: one name per class.
  ///   - sources: the file of each sample, or nil.
  ///   - name: what error messages call the data set.
  /// - Throws: `DataError.inconsistent` or `.labelOutOfRange`; `TensorError` from the copy to the CPU.
  public init(
    images: Tensor, labels: [Int], classNames: [String], sources: [String]? = nil,
    name: String = "data set"
  ) throws {
    let shape = images.shape
    func require(_ holds: Bool, _ reason: @autoclosure () -> String) throws {
      guard holds else { throw DataError.inconsistent(path: name, reason: reason()) }
    }
    try require(
      shape.count == 4 && images.dtype == .uint8,
      "images are [\(shape.map(String.init).joined(separator: ", "))] \(images.dtype.name), "
        + "expected [N, C, H, W] uint8")
    guard shape[0] > 0 else {
      throw DataError.noImages(path: name, looked: "the image array is empty")
    }
    try require(shape[1] == 1 || shape[1] == 3, "\(shape[1]) channels, expected 1 or 3")
    try require(shape[2] > 0 && shape[3] > 0, "images of \(shape[2]) x \(shape[3]) pixels")
    try require(labels.count == shape[0], "\(shape[0]) images but \(labels.count) labels")
    try require(
      sources.map { $0.count == shape[0] } ?? true,
      "\(shape[0]) images but \(sources?.count ?? 0) file names")
    for (index, label) in labels.enumerated() where label < 0 || label >= classNames.count {
      throw DataError.labelOutOfRange(
        path: name, index: index, label: label, classCount: classNames.count)
    }
    self.images = images.device == .cpu ? images : try images.to(.cpu)
    self.labels = labels
    self.classNames = classNames
    self.sources = sources
  }

  /// Number of samples.
  public var count: Int { labels.count }
  /// 1 (gray) or 3 (RGB).
  public var channels: Int { images.shape[1] }
  /// Rows of every image.
  public var height: Int { images.shape[2] }
  /// Pixels per row of every image.
  public var width: Int { images.shape[3] }
  /// Number of classes, also those without a sample.
  public var classCount: Int { classNames.count }

  /// Samples per class, in label order.
  public var countsPerClass: [Int] {
    var counts = [Int](repeating: 0, count: classCount)
    for label in labels { counts[label] += 1 }
    return counts
  }

  /// SHA-256 over shape, pixels, labels and class names, as 64 hexadecimal digits.
  ///
  /// `Fingerprint.of(_:)` says exactly which bytes are hashed. File names do not count. Computed once
  /// and kept.
  public var fingerprint: String {
    get throws { try fingerprintCache.value { try Fingerprint.of(self) } }
  }

  /// The samples at `indices`, in that order, as a data set of its own.
  /// - Parameter indices: positions in `0..<count`, at least one; repeats are allowed.
  /// - Returns: a copy of these samples.
  /// - Throws: `DataError.noImages` when `indices` is empty; `TensorError` for a bad position.
  public func subset(_ indices: [Int]) throws -> ImageDataset {
    guard !indices.isEmpty else {
      throw DataError.noImages(path: "subset", looked: "no index was given")
    }
    if indices == Array(0..<count) { return self }
    return try ImageDataset(
      images: images.indexSelect(0, Tensor(indices)),
      labels: indices.map { labels[$0] }, classNames: classNames,
      sources: sources.map { all in indices.map { all[$0] } }, name: "subset")
  }

  /// The same images and classes under other labels.
  /// - Throws: `DataError.inconsistent` or `.labelOutOfRange`.
  public func relabeled(_ newLabels: [Int]) throws -> ImageDataset {
    try ImageDataset(
      images: images, labels: newLabels, classNames: classNames, sources: sources,
      name: "relabeled data set")
  }

  /// The same labels and classes over other images.
  /// - Parameter newImages: `[N, C, H, W]`, uint8.
  /// - Returns: a data set that shares the labels.
  /// - Throws: `DataError.inconsistent`.
  public func replacingImages(_ newImages: Tensor) throws -> ImageDataset {
    try ImageDataset(
      images: newImages, labels: labels, classNames: classNames, sources: sources,
      name: "changed data set")
  }

  /// Keeps the fingerprint, which costs a pass over all pixels, once it is known.
  private final class Cache: Sendable {
    private let known = Mutex<String?>(nil)

    func value(_ make: () throws -> String) throws -> String {
      try known.withLock { known in
        if let known { return known }
        let made = try make()
        known = made
        return made
      }
    }
  }
}
