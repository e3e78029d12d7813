import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// Feature permutation: the channels of every layer in another order, the next layer's inputs with them.
/// The function stays the same; marks that are read from the place of a weight are gone.
///
/// Channels that residual connections add to each other are permuted together. Logits agree up to the
/// rounding of sums in another order. Source: SoK toolbox, `wrt/attacks/removal/feature_shuffling.py`
/// (the idea).
public struct FeaturePermutation: DescribedRemovalAttack {
  /// Name in results.
  public let name: String

  /// The attack; it has no settings.
  public init(name: String = "permute") { self.name = name }

  /// None.
  public var settings: JSONValue { ["permute": .object([:])] }

  /// That the function stays.
  public var remark: String { "changes no answer, only the places of the weights" }

  /// A permuted copy of the stolen model.
  public func surrogate(of model: ImageClassifier, data: TrainingData, session: TrainingSession)
    throws -> ImageClassifier
  {
    let surrogate = try model.surrogateCopy(on: session.device)
    let key = session.key.stream("removal/permutation")
    try withoutGradients {
      for (place, group) in ChannelGroup.groups(of: surrogate).enumerated() {
        try group.permute(surrogate.state, key: key.step(place))
      }
    }
    return surrogate
  }
}

/// Layers whose channels have one order: who writes them and who reads them, by dotted name.
struct ChannelGroup: Equatable {
  /// Layers whose outputs, or whose elements, are these channels.
  var writers: [String]
  /// Layers whose inputs are these channels.
  var readers: [String]

  /// The groups of a model, from the image to the last layer.
  static func groups(of model: ImageClassifier) -> [ChannelGroup] {
    let head = model.headName
    switch model.architecture.family {
    case .smallCNN:
      return (1...6).map {
        ChannelGroup(
          writers: ["conv\($0)", "bn\($0)"], readers: [$0 < 6 ? "conv\($0 + 1)" : head])
      }
    case .vgg16, .vgg19: return sequential(model)
    case .resNet8, .resNet14, .resNet20, .resNet18, .resNet34: return residual(model)
    }
  }

  /// VGG: convolutions in a row, then one linear layer or three.
  private static func sequential(_ model: ImageClassifier) -> [ChannelGroup] {
    let layers = model.state.parameters.filter { $0.tensor.rank >= 2 }.map {
      String($0.name.dropLast(".weight".count))
    }
    return zip(layers, layers.dropFirst()).map { layer, next in
      let parts = layer.split(separator: ".")
      guard parts[0] == "features", let place = Int(parts[1]) else {
        return ChannelGroup(writers: [layer], readers: [next])
      }
      return ChannelGroup(writers: [layer, "features.\(place + 1)"], readers: [next])
    }
  }

  /// ResNet: the channels between the two convolutions of a block are its own; those of a stage belong
  /// to all of its blocks.
  private static func residual(_ model: ImageClassifier) -> [ChannelGroup] {
    let blocks = Set(
      model.state.entries.compactMap { entry -> String? in
        let parts = entry.name.split(separator: ".")
        return parts[0].hasPrefix("layer") ? "\(parts[0]).\(parts[1])" : nil
      })
    func names(_ stage: Int) -> [String] {
      (0...).lazy.map { "layer\(stage).\($0)" }.prefix { blocks.contains($0) }.map { $0 }
    }
    let stages = (1...4).filter { blocks.contains("layer\($0).0") }.count
    var groups: [ChannelGroup] = []
    for stage in 1...stages {
      var carried = ChannelGroup(
        writers: stage == 1 ? ["conv1", "bn1"] : [], readers: [])
      for (index, block) in names(stage).enumerated() {
        groups.append(
          ChannelGroup(writers: [block + ".conv1", block + ".bn1"], readers: [block + ".conv2"]))
        carried.writers += [block + ".conv2", block + ".bn2"]
        if model.state[block + ".downsample.0.weight"] != nil {
          carried.writers += [block + ".downsample.0", block + ".downsample.1"]
        }
        // The first block of a later stage reads what the stage before wrote.
        if stage == 1 || index > 0 { carried.readers.append(block + ".conv1") }
      }
      if stage < stages {
        let next = "layer\(stage + 1).0"
        carried.readers += [next + ".conv1", next + ".downsample.0"]
      } else {
        carried.readers.append(model.headName)
      }
      groups.append(carried)
    }
    return groups
  }

  /// Brings the channels into a random order.
  func permute(_ state: ParameterStore, key: RandomKey) throws {
    guard let first = writers.first, let count = state[first + ".weight"]?.shape[0] else {
      preconditionFailure("a group of channels has a layer that writes them")
    }
    let order = try key.permutation(count)
    for writer in writers {
      for part in ["weight", "bias", "running_mean", "running_var"] {
        guard let tensor = state["\(writer).\(part)"] else { continue }
        try tensor.copy(from: tensor.indexSelect(0, order.to(tensor.device)))
      }
    }
    for reader in readers {
      guard let tensor = state[reader + ".weight"] else {
        preconditionFailure("\(reader) has no weight")
      }
      let order = try order.to(tensor.device)
      if tensor.shape[1] == count {
        try tensor.copy(from: tensor.indexSelect(1, order))
      } else {
        // A linear layer behind a grid of features: a block of inputs for each channel.
        let blocks = try tensor.reshape([tensor.shape[0], count, tensor.shape[1] / count])
        try tensor.copy(from: blocks.indexSelect(1, order).contiguous().reshape(tensor.shape))
      }
    }
  }
}
