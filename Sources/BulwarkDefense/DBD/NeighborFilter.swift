import BulwarkData
import BulwarkNN
import BulwarkTensor
import BulwarkTraining

/// A second way to rank samples, not in the paper: does a sample's label agree with the labels of its
/// neighbors in feature space?
///
/// A linear head can learn "trigger → target" from the poisons themselves; a vote of neighbors can do so
/// only where poisons stand close to each other. Short self-supervision leaves poisons mixed with the
/// classes they come from, and then the vote keeps the most trusted part of the data cleaner than the
/// head's loss does (Docs/DBD.md gives the measured counts).
extension DBDTrainer {
  /// The ranking by neighbors in the current features: the score is −log of the share of votes for the
  /// given label.
  ///
  /// Features are standardized and scaled to unit length; the `neighbors` most similar of at most
  /// 10,000 reference samples, itself left out, vote with weight exp(cosine / 0.1), as in the weighted
  /// k-nearest-neighbor test of Wu et al. 2018. Linear in the number of samples.
  func neighborRanking(epoch: Int, neighbors: Int) throws -> SuspicionRanking {
    let train = data.train
    let classes = train.classNames.count
    let features = try standardizedFeatures()
    let references = try session.key.stream("neighbors").step(epoch).permutation(train.count)
      .narrow(0, start: 0, length: min(train.count, 10_000))
    let bank = try features.indexSelect(0, references).transpose(0, 1)
    let labels = try Tensor(train.labels)
    let bankLabels = try labels.indexSelect(0, references)
    let count = min(neighbors, bank.shape[1] - 1)
    var scores: [Double] = []
    var predicted: [Int] = []
    try withoutGradients {
      for start in stride(from: 0, to: train.count, by: 512) {
        let length = min(512, train.count - start)
        let own = try (Tensor.arange(length) + Double(start)).reshape([length, 1])
        let itself = try own.eq(references.reshape([1, -1])).to(.float32) * 1e9
        let similarity = try features.narrow(0, start: start, length: length).matmul(bank) - itself
        let (values, nearest) = try similarity.topK(count)
        let weights = try (values / 0.1).exp().unsqueeze(2)
        let votes = try bankLabels.indexSelect(0, nearest.reshape([-1])).oneHot(classes)
          .reshape([length, count, classes])
        let shares = try (votes * weights).sum([1]) / weights.sum([1])
        let given = try labels.narrow(0, start: start, length: length).reshape([length, 1])
        scores += try (-(shares.gather(1, given).clamp(min: 1e-6).log())).doubles()
        predicted += try shares.argmax(1).integers()
      }
    }
    return SuspicionRanking(scores: scores, predicted: predicted, labels: train.labels)
  }

  /// Features [N, D] of the plain images on the CPU: every dimension with mean 0 and deviation 1, then
  /// every row of unit length.
  private func standardizedFeatures() throws -> Tensor {
    try withoutGradients {
      var parts: [Tensor] = []
      for start in stride(from: 0, to: data.train.count, by: 256) {
        let length = min(256, data.train.count - start)
        let pixels = try data.train.images.narrow(0, start: start, length: length)
        let input = try data.normalization.prepare(pixels, on: session.device)
        let output = try session.inPrecision { try model.features(input, .evaluation) }
        parts.append(try output.to(.float32).to(.cpu))
      }
      let all = try Tensor.cat(parts)
      let deviation = try all.variance([0], keep: true).sqrt().clamp(min: 1e-6)
      return try ((all - all.mean([0], keep: true)) / deviation).normalized()
    }
  }
}
