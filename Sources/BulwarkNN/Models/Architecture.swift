import BulwarkTensor

/// Everything that fixes a classifier's tensors: its name, sizes and class count.
public struct Architecture: Hashable, Sendable, Codable {
  /// Family and depth.
  public enum Family: String, Sendable, Codable, CaseIterable {
    /// Narrow ResNets of three stages (He et al. 2016, section 4.2): 6n + 2 layers, published width 16.
    case resNet8 = "resnet8"
    case resNet14 = "resnet14"
    case resNet20 = "resnet20"
    case resNet18 = "resnet18"
    case resNet34 = "resnet34"
    case vgg16 = "vgg16_bn"
    case vgg19 = "vgg19_bn"
    case smallCNN = "small_cnn"
  }

  /// First layers of a ResNet and head of a VGG.
  public enum Stem: String, Sendable, Codable, CaseIterable {
    /// 3×3 stride 1, no pooling: for images of about 32 pixels. VGG: one linear layer as head.
    case cifar
    /// 7×7 stride 2 and pooling: for images of about 224 pixels. VGG: torchvision's three layers.
    case imageNet = "imagenet"
  }

  /// Family and depth.
  public var family: Family
  /// First layers.
  public var stem: Stem
  /// Channels of the first stage: 64 is the published size, 16 a quarter as wide; resnet8, resnet14
  /// and resnet20 are published at 16.
  public var width: Int
  /// Number of classes.
  public var classes: Int
  /// Channels of an image.
  public var channels: Int

  /// Describes a classifier.
  public init(
    _ family: Family, stem: Stem = .cifar, width: Int = 64, classes: Int, channels: Int = 3
  ) {
    self.family = family
    self.stem = stem
    self.width = width
    self.classes = classes
    self.channels = channels
  }

  /// Widths that can be built.
  public static let widths = 1...8_192
  /// Class counts that can be built.
  public static let classCounts = 1...1_000_000
  /// Channels of an image that can be built for.
  public static let channelCounts = 1...1_024

  /// Builds the classifier with fresh weights drawn from `key`.
  ///
  /// - Throws: `UnbuildableArchitecture` for sizes outside of what can be built; `TensorError`.
  public func build(key: RandomKey, device: Device = .cpu) throws -> ImageClassifier {
    for (name, size, range) in [
      ("width", width, Architecture.widths), ("classes", classes, Architecture.classCounts),
      ("channels", channels, Architecture.channelCounts),
    ] where !range.contains(size) {
      throw UnbuildableArchitecture(name: name, size: size, range: range)
    }
    return try ImageClassifier(self, key: key, device: device)
  }
}
