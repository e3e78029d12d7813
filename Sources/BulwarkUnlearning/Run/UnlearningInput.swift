import BulwarkData
import BulwarkTensor
import BulwarkTraining

/// What every unlearning method is given.
public struct UnlearningInput: Sendable {
  /// The data that the checkpoint was trained on, labels as given.
  public let train: ImageDataset
  /// Which of them must go.
  public let forgetSet: ForgetSet
  /// How pixels become input.
  public let normalization: Normalize
  /// Random views of training images, without normalization; empty for none.
  public let views: [AugmentationStep]

  /// Describes a task.
  public init(
    train: ImageDataset, forgetSet: ForgetSet, normalization: Normalize,
    views: [AugmentationStep] = []
  ) {
    precondition(forgetSet.total == train.count, "a forget set belongs to one training set")
    self.train = train
    self.forgetSet = forgetSet
    self.normalization = normalization
    self.views = views
  }

  /// Views and normalization in one pass.
  public var augmentation: AugmentationPipeline {
    AugmentationPipeline(views + [.normalize(normalization)])
  }
}
