import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTraining

/// An attack that can say what it does, for the record beside its numbers.
public protocol DescribedRemovalAttack: RemovalAttack {
  /// Every setting, for the report and for telling two runs apart.
  var settings: JSONValue { get }
  /// What a reader of the numbers has to know in one sentence; empty for nothing.
  var remark: String { get }
  /// Whether it works on images that the owner did not train on.
  var needsOtherImages: Bool { get }
  /// Whether it draws the last layer anew: the owner may then put the original one back to look for
  /// the mark below it (Adi et al. 2018).
  var resetsLastLayer: Bool { get }
  /// Whether no attack can work on its surrogate and no checkpoint hold it: it computes otherwise than its
  /// weights say.
  var endsChain: Bool { get }
  /// Whether its surrogate learns from answers that the owner's server changed.
  var asksServer: Bool { get }
  /// The same attack on a model that no server stands before, as the later links of a chain find it.
  var unserved: any RemovalAttack { get }
  /// Images as whoever serves the surrogate shows them to it.
  ///
  /// - Parameters:
  ///   - images: what the surrogate is asked about: test images, carriers.
  ///   - data: the attacker's.
  /// - Returns: as many images with the same labels; `images` for attacks that serve the bare network.
  /// - Throws: `DataError`; `TensorError`.
  func served(_ images: ImageDataset, data: TrainingData) throws -> ImageDataset
  /// The architecture of its surrogate, known before any work: null models of it can be trained first.
  ///
  /// - Parameters:
  ///   - model: the stolen model's.
  ///   - side: pixels along the shorter side of an image.
  /// - Returns: `model` for attacks that keep the network.
  /// - Throws: `RecipeError.setting`.
  func surrogateArchitecture(of model: Architecture, side: Int) throws -> Architecture
}

extension DescribedRemovalAttack {
  /// The owner's images are enough.
  public var needsOtherImages: Bool { false }
  /// The last layer is kept, or trained on.
  public var resetsLastLayer: Bool { false }
  /// Others can follow.
  public var endsChain: Bool { false }
  /// The model itself is worked on.
  public var asksServer: Bool { false }
  /// There is no difference.
  public var unserved: any RemovalAttack { self }
  /// The bare network is served.
  public func served(_ images: ImageDataset, data: TrainingData) throws -> ImageDataset { images }
  /// The network is kept.
  public func surrogateArchitecture(of model: Architecture, side: Int) throws -> Architecture {
    model
  }
}
