import BulwarkTensor

/// The part of a classifier below its last linear layer.
public protocol Backbone {
  /// Length of a feature vector.
  var featureCount: Int { get }
  /// The parts that follow each other; the first takes images [N, C, H, W], float32, normalized.
  var parts: [BackbonePart] { get }
  /// Features [N, featureCount] of what the last part gives.
  func pooled(_ maps: Tensor) throws -> Tensor
}

extension Backbone {
  /// Features [N, featureCount] of images [N, C, H, W], float32, normalized.
  public func features(_ images: Tensor, _ mode: Mode) throws -> Tensor {
    try pooled(parts.reduce(images) { try $1.body($0, mode) })
  }
}

/// A backbone with a linear head, and their tensors under torchvision's names.
public final class ImageClassifier {
  /// What it is.
  public let architecture: Architecture
  /// Its tensors.
  public let state: ParameterStore
  /// Everything below the head.
  public let backbone: any Backbone
  /// The last layer, under the name that torchvision gives it.
  public let head: Linear
  /// Path of the head (`fc`, `classifier` or `classifier.6`).
  public let headName: String

  init(_ architecture: Architecture, key: RandomKey, device: Device) throws {
    self.architecture = architecture
    state = ParameterStore(key: key, device: device)
    let root = state.root
    switch architecture.family {
    case .resNet8:
      backbone = try ResNet(root, architecture, blocks: [1, 1, 1])
      headName = "fc"
    case .resNet14:
      backbone = try ResNet(root, architecture, blocks: [2, 2, 2])
      headName = "fc"
    case .resNet20:
      backbone = try ResNet(root, architecture, blocks: [3, 3, 3])
      headName = "fc"
    case .resNet18:
      backbone = try ResNet(root, architecture, blocks: [2, 2, 2, 2])
      headName = "fc"
    case .resNet34:
      backbone = try ResNet(root, architecture, blocks: [3, 4, 6, 3])
      headName = "fc"
    case .vgg16:
      backbone = try VGG(root, architecture, stages: [2, 2, 3, 3, 3])
      headName = architecture.stem == .cifar ? "classifier" : "classifier.6"
    case .vgg19:
      backbone = try VGG(root, architecture, stages: [2, 2, 4, 4, 4])
      headName = architecture.stem == .cifar ? "classifier" : "classifier.6"
    case .smallCNN:
      backbone = try SmallCNN(root, architecture)
      headName = "fc"
    }
    let isVGG = architecture.family == .vgg16 || architecture.family == .vgg19
    head = try Linear(
      root / headName, in: backbone.featureCount, out: architecture.classes,
      initializer: isVGG ? .normal(0.01) : nil)
    for entry in state.entries where entry.tensor.rank == 4 { try entry.tensor.setChannelsLast() }
  }

  /// Features [N, D] of images [N, C, H, W], float32, normalized.
  public func features(_ images: Tensor, _ mode: Mode) throws -> Tensor {
    try backbone.features(images.channelsLast(), mode)
  }

  /// Logits [N, classes] of images [N, C, H, W], float32, normalized.
  public func logits(_ images: Tensor, _ mode: Mode) throws -> Tensor {
    try head(features(images, mode))
  }

  /// Whether a name belongs to the head.
  public func isHead(_ name: String) -> Bool { name.hasPrefix(headName + ".") }
}
