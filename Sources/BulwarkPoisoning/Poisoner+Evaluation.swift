import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

extension Poisoner {
  /// The triggered test set with its target, as `Evaluator` takes it.
  /// - Parameter test: the clean test set.
  /// - Returns: what the attack success rate is measured on.
  /// - Throws: as `triggeredTestSet`.
  public func triggeredTest(_ test: ImageDataset) throws -> TriggeredTest {
    TriggeredTest(dataset: try triggeredTestSet(test), target: spec.target)
  }
}

extension ImageClassifier {
  /// The model as the label-consistent attack takes it: images in 0...1 are normalized inside, layers
  /// are in evaluation mode, arithmetic is float32.
  /// - Parameter normalization: what the model was trained with.
  /// - Returns: a function that gradients flow through.
  public func attackView(_ normalization: Normalize) -> Classifier {
    { images in try self.logits(normalization.apply(images), .evaluation) }
  }
}
