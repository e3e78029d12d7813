import BulwarkNN

/// Settings of DBD (Huang et al. 2022), stage by stage.
///
/// `DBDOptions.paper` is the official configuration (SCLBD/DBD, CIFAR-10, ResNet-18). The memberwise
/// defaults are Bulwark's own: the same method with the changes that `Docs/DBD.md` lists, each of which is
/// off in `paper`; `Docs/Results.md` says what was measured with and without them.
public struct DBDOptions: Hashable, Sendable, Codable {
  /// Stage 1.
  public var selfSupervision = SelfSupervision()
  /// Stage 2.
  public var head = Head()
  /// The split into a labeled and an unlabeled pool, before every epoch of stage 3.
  public var filter = Filter()
  /// Stage 3.
  public var semiSupervision = SemiSupervision()

  /// Stage 1: SimCLR on all images, labels ignored.
  public struct SelfSupervision: Hashable, Sendable, Codable {
    /// Off: the backbone stays as initialized and stage 2 trains it with the head, on the poisoned
    /// labels (the paper's ablation "without self-supervision").
    public var enabled = true
    /// Passes over all images.
    public var epochs = 100
    /// Images a step; each gives two views.
    public var batchSize = 256
    /// Base step size of SGD.
    public var learningRate = 0.2
    /// Momentum of SGD.
    public var momentum = 0.9
    /// Coupled weight decay on every parameter, batch norm and biases included.
    public var weightDecay = 1e-4
    /// Length of the cosine in epochs; the official code stops at 100 of 1,000.
    public var cosineEpochs = 100
    /// Epochs of linear warm-up.
    public var warmupEpochs = 0.0
    /// Temperature of the contrastive loss.
    public var temperature = 0.5
    /// Whether both views are anchors. The official code uses view 1 only.
    public var symmetric = true
    /// Length of an embedding.
    public var embeddingSize = 128
    /// Largest weight with which another image of the batch is laid over a view, 0...1. Not in the
    /// paper: features that ignore overlays do not carry a blended trigger into stage 2.
    public var overlay = 0.0
    /// Largest amplitude of a random sinusoid added to a view, in units of the
    /// normalized input (standard deviations). Not in the paper.
    public var waves = 0.0

    /// The defaults.
    public init() {}
  }

  /// Loss of stage 2 and of the filter.
  public enum LossKind: String, Sendable, Codable, CaseIterable {
    /// Symmetric cross-entropy, 0.1·CE + 1·RCE.
    case symmetric = "sce"
    /// Cross-entropy (the paper's ablation).
    case crossEntropy = "ce"
  }

  /// Stage 2: a fresh linear head on the frozen backbone, on the given labels.
  public struct Head: Hashable, Sendable, Codable {
    /// Passes over all images.
    public var epochs = 10
    /// Images a step.
    public var batchSize = 128
    /// Step size of Adam, in stages 2 and 3.
    public var learningRate = 0.002
    /// Loss.
    public var loss = LossKind.symmetric
    /// Weight of the cross-entropy in SCE.
    public var alpha = 0.1
    /// Weight of the reverse cross-entropy in SCE.
    public var beta = 1.0
    /// Smallest share of a class that counts as a clique (`CliqueSuspicion`), 0...1: no pool of stages
    /// 2 and 3 holds its samples. 0 is the official code: cliques are not looked for.
    public var cliqueShare = 0.05
    /// Neighbors that are asked for cliques, among at most 10,000 samples drawn at random: a clique of which
    /// fewer stand among those cannot be pure. Of N > 10,000 samples it needs `cliqueNeighbors` · N / 10,000.
    public var cliqueNeighbors = 200
    /// Smallest share of a class that counts as known by a pattern in the bare pixels (`ShortcutSuspicion`),
    /// 0...1: no pool of stages 2 and 3 holds such samples. 0 is the official code: nothing is looked for.
    public var shortcutShare = 0.03

    /// The defaults.
    public init() {}
  }

  /// The split by loss.
  public struct Filter: Hashable, Sendable, Codable {
    /// Share of all samples that keeps its label at the start of stage 3.
    public var share = 0.5
    /// Share at the end; it grows linearly over the first `growthEpochs` epochs of stage 3. The
    /// official code stays at 0.5.
    public var finalShare = 0.5
    /// Epochs of stage 3 over which the share grows.
    public var growthEpochs = 1
    /// Whether every class gives the same share of its samples. The official split is global.
    public var perClass = false
    /// Epochs of stage 3, from the first, whose split comes from the labels of neighbors in feature
    /// space instead of the loss; 0 is the official code.
    public var neighborEpochs = 0
    /// Neighbors that vote.
    public var neighbors = 200
    /// Contradiction from which on a class counts as the target of an attack (`ClassSuspicion`), 0...1;
    /// 0 is the official code: classes are not looked at. Once a class is suspected, `share` to `finalShare`
    /// hold for it alone and all other classes keep `trustedShare` of their labels.
    public var suspectThreshold = 0.08
    /// Least contradiction of a suspected class as a share of the largest one in that epoch; 0 for no such rule.
    public var suspectRatio = 0.7
    /// First epoch of stage 3 that may suspect a class: earlier models are weak and starved of hard
    /// classes, which then look contradicted too.
    public var suspectFromEpoch = 4
    /// Share of the labels that every other class keeps once a class is suspected, by its contradictions or because
    /// samples of it are in quarantine.
    public var trustedShare = 1.0
    /// Most labels that a suspected class keeps, as a share of the median class size: without it an
    /// attack keeps more labels the more samples it moves into its target. 0 for no limit.
    public var suspectLimit = 0.6
    /// Share of the rest of a class with samples in quarantine that keeps its label from `suspectFromEpoch` on,
    /// where its contradictions do not speak against it too.
    public var cliqueRestShare = 0.9

    /// The defaults.
    public init() {}
  }

  /// What stage 3 does.
  public enum FineTuning: String, Sendable, Codable, CaseIterable {
    /// MixMatch on both pools.
    case mixMatch = "mixmatch"
    /// Cross-entropy on the labeled pool alone (the paper's ablation "tuning").
    case labeledPool = "tuning"
    /// Nothing: the model of stage 2 is the result.
    case none
  }

  /// How stage 3 updates the weights.
  public enum UpdateRule: String, Hashable, Sendable, Codable, CaseIterable {
    /// The Adam of stage 2 goes on: the official code.
    case adam
    /// Stochastic gradient descent with Nesterov momentum 0.9: more accurate in short runs.
    case sgd
  }

  /// Stage 3: semi-supervised fine-tuning of the whole network.
  public struct SemiSupervision: Hashable, Sendable, Codable {
    /// Method.
    public var method = FineTuning.mixMatch
    /// Epochs; the pools are split anew before each.
    public var epochs = 190
    /// Steps of an epoch.
    public var stepsPerEpoch = 1024
    /// Labeled images a step; as many as the labeled pool has, where those are fewer.
    public var batchSize = 64
    /// Unlabeled images a step; 0 takes as many as labeled ones, which is the official code. Any other
    /// number passes all groups through the network at once instead of interleaving them.
    public var unlabeledBatchSize = 0
    /// Update rule.
    public var optimizer = UpdateRule.adam
    /// Largest step size; 0 takes that of stage 2, as the official code does.
    public var learningRate = 0.0
    /// Weight decay of stochastic gradient descent; Adam has none here, and another value than 0 is refused.
    public var weightDecay = 0.0
    /// Share of the labeled images of a step that carry what sets a clique apart (`Inoculation`), 0...1; 0 for
    /// none. Only for MixMatch; not in the paper.
    public var inoculation = 0.25
    /// Exponent of sharpening is 1 / temperature; at least 0.1.
    public var temperature = 0.5
    /// Parameter of mixup's Beta distribution.
    public var mixupAlpha = 0.75
    /// Largest weight of the unlabeled loss.
    public var unlabeledWeight = 15.0
    /// Epochs, stage 2 included, over which that weight grows from 0.
    public var rampEpochs = 190
    /// Share of the past in an exponential moving average of the weights, which ranks the samples, is
    /// measured and becomes the result; 0 is the official code: no average.
    public var averageDecay = 0.0
    /// Epochs between two measurements of accuracy and attack success; 0 measures only at the end.
    public var measureEvery = 1
    /// Whether the step size falls to 0 along a cosine. The official code keeps it constant.
    public var cosine = false

    /// The defaults.
    public init() {}
  }

  /// Bulwark's defaults.
  public init() {}

  /// The official configuration.
  public static var paper: DBDOptions {
    var options = DBDOptions()
    options.selfSupervision.batchSize = 512
    options.selfSupervision.learningRate = 0.4
    options.selfSupervision.cosineEpochs = 1000
    options.selfSupervision.symmetric = false
    options.head.cliqueShare = 0
    options.head.shortcutShare = 0
    options.semiSupervision.inoculation = 0
    options.filter.suspectThreshold = 0
    options.filter.suspectLimit = 0
    return options
  }
}
