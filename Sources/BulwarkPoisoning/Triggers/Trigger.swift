import BulwarkData
import BulwarkTensor

/// The form that all images of a data set share.
public struct ImageForm: Hashable, Sendable, Codable {
  /// 1 (gray) or 3 (RGB).
  public let channels: Int
  /// Rows of an image.
  public let height: Int
  /// Pixels per row.
  public let width: Int

  /// A form; nothing is checked.
  public init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  /// The form of a batch.
  /// - Parameter images: `[B, C, H, W]`, uint8, C 1 or 3.
  /// - Throws: `PoisonError.wrongImages` for anything else.
  public init(of images: Tensor) throws {
    let shape = images.shape
    guard images.dtype == .uint8, shape.count == 4, shape[1] == 1 || shape[1] == 3, shape[2] > 0,
      shape[3] > 0
    else {
      throw PoisonError.wrongImages(
        expected: "[B, 1 or 3, H, W] uint8", found: "\(shape) \(images.dtype.name)")
    }
    self.init(channels: shape[1], height: shape[2], width: shape[3])
  }
}

/// A trigger made ready for images of one form: a fixed function of 8-bit images.
public protocol Trigger: Sendable {
  /// The images with the trigger.
  /// - Parameter images: `[B, C, H, W]`, uint8, CPU, of the form that the trigger was made for.
  /// - Returns: a new tensor of the same shape, uint8.
  /// - Throws: `TensorError`.
  func apply(to images: Tensor) throws -> Tensor
}

/// Whether a trigger is for training images or for the images that the attack is tested with.
public enum Phase: String, Sendable, Codable { case training, testing }
