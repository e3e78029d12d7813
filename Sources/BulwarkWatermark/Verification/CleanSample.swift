import BulwarkData
import BulwarkTensor
import BulwarkTraining

/// Ordinary labeled images that scores ask every model about: for the temperature of its answers, for signals, and for
/// answers that lean.
public final class CleanSample {
  /// The images, on the CPU.
  public let images: ImageDataset
  private var known: Tensor?

  /// Images that are asked about at most, unless answers lean.
  public static let usual = 1000
  /// Images that are asked about at most where answers lean: what one image says is little.
  public static let leaning = 10_000

  /// At most some of the images, balanced over the classes and never by position, since folders store one class after
  /// the other.
  ///
  /// - Parameters:
  ///   - images: any number; a sample of a sample is itself.
  ///   - limit: how many are taken.
  /// - Throws: `TensorError`.
  public init(of images: ImageDataset, limit: Int = CleanSample.usual) throws {
    self.images =
      images.count <= limit
      ? images
      : try images.subset(
        SampleSelection.balanced(
          labels: images.labels, classCount: images.classCount, limit: limit))
  }

  /// How the images are shaded, [N, 4 C], float32; computed once for all keys.
  func shading() throws -> Tensor {
    if let known { return known }
    let features = try withoutGradients { try CoarseShading.features(of: images.images) }
    known = features
    return features
  }
}
