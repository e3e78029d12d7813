import BulwarkData
import BulwarkNN
import BulwarkStore
import BulwarkTensor
import BulwarkTraining

/// The distillation attack, the primary one: a student with fresh weights imitates the stolen model's
/// answers and never sees a carrier.
///
/// Source: Hinton et al. 2015; variants in public code are listed in `papers/ingrain.md`, section 2.1.
public struct Distillation: ResumableRemovalAttack, DescribedRemovalAttack {
  /// Name in results.
  public let name: String
  /// Settings.
  public let options: DistillationOptions
  private var environment: RemovalEnvironment

  /// The attack with these settings.
  ///
  /// - Throws: `RecipeError.setting`.
  public init(
    _ options: DistillationOptions = DistillationOptions(), name: String = "distillation",
    environment: RemovalEnvironment = RemovalEnvironment()
  ) throws {
    try options.validate()
    self.options = options
    self.name = name
    self.environment =
      options.jitter > 0 ? environment.adding(.colorJitter(options.colorJitter)) : environment
  }

  /// Every setting.
  public var settings: JSONValue {
    ["distillation": SettingsJSON.of(options)]
  }

  /// How the teacher was asked.
  public var remark: String {
    let isPlain = !options.training.augment || environment.views.isEmpty
    let answers =
      switch options.ask {
      case _ where isPlain: "asked once, without random views"
      case .views: "asked once in each of \(options.views) fixed random views"
      case .plain: "asked once without random views, which the student sees all the same"
      case .live: "asked at every step, on the student's random view"
      }
    let shading =
      options.evenShading == 0
      ? ""
      : "; all images shaded alike before the student sees them"
        + (options.askEvened ? "" : ", the teacher asked about them as they were")
    let server = environment.server == nil ? "" : "; its answers changed by the owner's server"
    return "fresh student (checked); teacher \(answers)\(shading)\(server)"
  }

  /// Where there is one.
  public var asksServer: Bool { environment.server != nil }

  /// The stolen model asked directly.
  public var unserved: any RemovalAttack {
    var other = self
    other.environment = environment.withoutServer()
    return other
  }

  /// Whether its images are other ones than the owner's.
  public var needsOtherImages: Bool { options.training.images == .other }

  /// The student's.
  public func surrogateArchitecture(of model: Architecture, side: Int) throws -> Architecture {
    try options.student(of: model, side: side)
  }

  /// Images as the student is shown them: shaded as those that it learned from.
  public func served(_ images: ImageDataset, data: TrainingData) throws -> ImageDataset {
    guard options.evenShading > 0 else { return images }
    let own = try environment.images(data, options.training, attack: name)
    return try options.shading(of: own)?(images) ?? images
  }

  /// Trains a fresh student, or finishes one.
  public func surrogate(
    of model: ImageClassifier, data: TrainingData, session: TrainingSession,
    resuming checkpoint: Checkpoint?
  ) throws -> ImageClassifier {
    let given = try environment.images(data, options.training, attack: name)
    let images = try options.shading(of: given)?(given) ?? given
    let architecture = try surrogateArchitecture(
      of: model.architecture, side: min(images.height, images.width))
    let student = try FreshStudent.make(
      architecture, for: model, key: session.key, device: session.device)
    let digest = try model.weightDigest()
    let teaching = try Teaching(
      self, model, digest, asked: options.askEvened ? images : given, data.normalization,
      environment, session)
    let loss = DistillationLoss(
      temperature: options.temperature, alpha: options.alpha,
      scalesByTemperature: options.temperatureSquared, usesHardLabels: options.labels == .hard)
    let trainer = try SurrogateTrainer(
      student,
      SurrogateTrainer.Task(
        attack: name, training: options.training, images: images,
        moving: student.state.parameters,
        identity: [
          "settings": settings, "teacher": .string(digest),
          "environment": try environment.identity(images),
        ],
        input: { try teaching.input($0, epoch: $1, step: $2) },
        loss: { step in
          let answers = try teaching.answers(step)
          let logits = try session.inPrecision {
            try student.logits(step.input, .training).to(.float32)
          }
          return try loss(teacher: answers, student: logits, labels: step.labels)
        }), session: session)
    try trainer.run(resuming: checkpoint)
    return student
  }
}

/// What the student sees and what the teacher said to it.
private final class Teaching {
  private let teacher: ImageClassifier
  private let normalization: Normalize
  private let environment: RemovalEnvironment
  private let session: TrainingSession
  private let augments: Bool
  private let ask: DistillationOptions.Ask
  private let fixed: FixedViews?
  /// One table for each view, or one for the images as they are; empty when asked at every step.
  private var tables: [Tensor] = []

  init(
    _ attack: Distillation, _ teacher: ImageClassifier, _ digest: String,
    asked images: ImageDataset, _ normalization: Normalize, _ environment: RemovalEnvironment,
    _ session: TrainingSession
  ) throws {
    self.teacher = teacher
    self.normalization = normalization
    self.environment = environment
    self.session = session
    let options = attack.options
    augments = options.training.augment && !environment.views.isEmpty
    ask = augments ? options.ask : .plain
    // A view that no epoch comes to need not be asked about.
    let count = max(1, min(options.views, options.training.epochs))
    fixed =
      ask == .views
      ? try environment.answers.views(environment.views, normalization, of: images, count: count)
      : nil
    guard ask != .live else { return }
    tables = try (0..<(fixed == nil ? 1 : count)).map { view in
      try environment.answers.logits(
        of: teacher, digest: digest, on: images, in: fixed, view: view, normalization,
        through: environment.server, session: session
      ).to(session.device)
    }
  }

  func input(_ batch: ImageDataset.Batch, epoch: Int, step: Int) throws -> Tensor {
    if let fixed {
      return try fixed.input(
        batch.images, indices: batch.indices, view: epoch % tables.count, on: session.device)
    }
    return try environment.input(
      batch.images, normalization, augment: augments,
      key: session.key.stream("removal/view").step(step), on: session.device)
  }

  /// Logits [B, classes], float32.
  func answers(_ step: SurrogateStep) throws -> Tensor {
    guard ask != .live else {
      return try withoutGradients {
        let own = try session.inPrecision { try teacher.logits(step.input, .evaluation) }
          .to(.float32)
        guard let server = environment.server else { return own }
        return try server.logits(own, wave: server.wave(step.input))
      }
    }
    let positions = try Tensor(step.indices).to(session.device)
    return try tables[step.epoch % tables.count].indexSelect(0, positions)
  }
}
