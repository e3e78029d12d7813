import BulwarkData
import BulwarkNN
import BulwarkTraining

/// Settings of the distillation attack.
public struct DistillationOptions: Hashable, Sendable, Codable {
  /// Optimizer, epochs, images.
  public var training: AttackTraining
  /// Temperature T, above 0.
  public var temperature: Double
  /// Weight α of imitation, 0...1; the true labels get the rest.
  public var alpha: Double
  /// Whether the divergence is multiplied by T².
  public var temperatureSquared: Bool
  /// Whether probabilities or only the most probable class are imitated.
  public var labels: Labels
  /// Family of the student: `same`, `other`, or a family's name.
  public var family: String
  /// Width of the student; 0 takes `widthShare` of the teacher's.
  public var width: Int
  /// Share of the teacher's width, above 0.
  public var widthShare: Double
  /// In what form the teacher is asked.
  public var ask: Ask
  /// Number of fixed views with `ask: views`.
  public var views: Int
  /// Strength of random brightness, contrast and saturation in the views, from 0 for none; each factor is
  /// uniform in 1 ± strength. A thief's answer to marks that hang on how images are lit.
  public var jitter: Double
  /// Half waves in each direction up to which all images that the student sees are shaded alike, those included
  /// that it is asked about later (`EvenShading`); 0 leaves them as they are.
  public var evenShading: Int
  /// Whether the stolen model is asked about the evened images, too, or else about the images as they were: then
  /// its answers are better, and what they owe to the shading is noise to the student.
  public var askEvened: Bool

  /// What is imitated.
  public enum Labels: String, Sendable, Codable, CaseIterable {
    /// The teacher's probabilities.
    case soft
    /// Its most probable class.
    case hard
  }

  /// In what form the teacher is asked.
  public enum Ask: String, Sendable, Codable, CaseIterable {
    /// Once for each of a few fixed random views, which student and teacher both see.
    case views
    /// Once, without random views; the student sees random views all the same (SoK toolbox).
    case plain
    /// At every step, on the student's own random view.
    case live
  }

  /// The defaults: T 4, α 1, T² on; a fresh student of the same size; SGD 0.1 with Nesterov momentum
  /// 0.9, weight decay 5e-4, cosine, batch 128, 20 epochs; 8 fixed views; images as they are.
  public init(
    training: AttackTraining = AttackTraining(
      epochs: 20, batchSize: 128, learningRate: 0.1, weightDecay: 5e-4, nesterov: true,
      schedule: .cosine),
    temperature: Double = 4, alpha: Double = 1, temperatureSquared: Bool = true,
    labels: Labels = .soft, family: String = "same", width: Int = 0, widthShare: Double = 1,
    ask: Ask = .views, views: Int = 8, jitter: Double = 0, evenShading: Int = 0,
    askEvened: Bool = true
  ) {
    self.training = training
    self.temperature = temperature
    self.alpha = alpha
    self.temperatureSquared = temperatureSquared
    self.labels = labels
    self.family = family
    self.width = width
    self.widthShare = widthShare
    self.ask = ask
    self.views = views
    self.jitter = jitter
    self.evenShading = evenShading
    self.askEvened = askEvened
  }

  /// The student's architecture.
  ///
  /// `other` is a VGG-16 for ResNets, or a small CNN where images of `side` pixels are too small for
  /// it; a ResNet-18 for everything else, at the teacher's width.
  ///
  /// - Throws: `RecipeError.setting` for an unknown family.
  func student(of teacher: Architecture, side: Int) throws -> Architecture {
    var student = teacher
    switch family {
    case "same": break
    case "other":
      let isResNet = teacher.family.rawValue.hasPrefix("resnet")
      student.family = isResNet ? (side >= 32 ? .vgg16 : .smallCNN) : .resNet18
    default:
      guard let named = Architecture.Family(rawValue: family) else {
        let valid = ["same", "other"] + Architecture.Family.allCases.map(\.rawValue)
        throw RecipeError.setting(
          "distillation.family", expected: "one of \(valid.joined(separator: ", "))", found: family)
      }
      student.family = named
    }
    student.width =
      width > 0 ? width : max(1, Int((Double(teacher.width) * widthShare).rounded()))
    return student
  }

  /// Random light and colors of strength `jitter`.
  var colorJitter: ColorJitter {
    ColorJitter(
      brightness: jitter, contrast: jitter, saturation: jitter, hue: 0, probability: 1)
  }

  /// The shading that all images get; nil where they stay as they are.
  ///
  /// - Throws: `TensorError`.
  func shading(of images: ImageDataset) throws -> EvenShading? {
    evenShading > 0 ? try EvenShading(of: images, order: evenShading) : nil
  }

  /// Checks what would otherwise go wrong deep inside a run.
  ///
  /// - Throws: `RecipeError.setting`.
  public func validate() throws {
    let name = "distillation"
    try training.validate(name)
    let check = SettingCheck(name)
    try check.number("temperature", temperature, isAbove: true)
    try check.number("alpha", alpha, to: 1)
    try check.whole("width", width, in: 0...8192)
    try check.number("width_share", widthShare, to: 64, isAbove: true)
    try check.whole("views", views, in: 1...SettingCheck.mostUnits)
    try check.number("jitter", jitter, to: 1)
    try check.require(
      jitter == 0 || training.augment, "jitter",
      "0 with augment=false, which leaves random views out", jitter)
    try check.whole("even_shading", evenShading, in: 0...64)
    try check.require(
      askEvened || ask != .live, "ask_evened",
      "true with ask=live, which asks about what the student sees", askEvened)
    _ = try student(of: Architecture(.smallCNN, classes: 2), side: 32)
  }
}
