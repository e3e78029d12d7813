import BulwarkData
import BulwarkStore
import BulwarkTensor
import Foundation
import Testing

@testable import bulwark

/// A checkpoint of a few seconds that knows 200 digits and 16 noise pictures, the pictures with their
/// labels as a data set, others as a foreign key, and a model that never saw either.
struct StressFixture {
  static let train = """
    threads: 1
    precision: fp32
    methods: [standard]
    data: {path: digits, limit: 200, test_limit: 60}
    model: {family: small_cnn, width: 6}
    augmentation: {padding: 1, flip: false}
    standard: {epochs: 14, batch_size: 25, learning_rate: 0.05, augment: false}
    """

  let tool = Tool()
  let folder: TemporaryFolder
  /// What every stress run of this fixture begins with.
  let base: [String]

  /// The fixture, with the model that never saw the pictures where `trainsNull` asks for it.
  init(trainsNull: Bool = false) async throws {
    folder = try TemporaryFolder()
    let bundle = try DataSource.load("digits", options: DataOptions(limit: 200, testLimit: 60))
    let (own, foreign) = (try Self.noise(1), try Self.noise(2))
    for (name, set) in [("carriers", own), ("foreign", foreign)] {
      try DatasetFile(images: set.0, labels: set.1, classNames: bundle.train.classNames).write(
        to: folder.file("\(name).h5"))
    }
    let copies = (0..<4).flatMap { _ in 0..<16 }
    let marked = try ImageDataset(
      images: Tensor.cat([bundle.train.images, own.0.indexSelect(0, Tensor(copies))]),
      labels: bundle.train.labels + copies.map { own.1[$0] }, classNames: bundle.train.classNames)
    try DataBundle(train: marked, test: bundle.test, kind: .hdf5, path: "marked").write(
      to: folder.file("marked.h5"))
    try Self.train.write(toFile: folder.file("train.yaml"), atomically: true, encoding: .utf8)
    for (name, arguments) in [
      ("marked", ["--set", "data.path=\(folder.file("marked.h5"))", "--set", "data.limit=0"]),
      ("null", []),
    ] where name == "marked" || trainsNull {
      let trained = try await tool.start(
        ["run", folder.file("train.yaml"), "--out", folder.file(name), "--quiet"] + arguments
      ).outcome()
      try #require(trained.status == 0, "\(trained.stderr)")
    }
    base = [
      "watermark", "stress", "--checkpoint", folder.file("marked") + "/standard.h5", "--data",
      "digits", "--limit", "200", "--test-limit", "60", "--carriers", folder.file("carriers.h5"),
      "--threads", "1", "--precision", "fp32",
    ]
  }

  private static func noise(_ seed: UInt64) throws -> (Tensor, [Int]) {
    let key = RandomKey(seed: seed)
    return (
      try key.stream("pixels").integers([16, 1, 16, 16], below: 256).to(.uint8),
      try key.stream("labels").integers([16], below: 10).integers()
    )
  }

  func file(_ name: String) -> String { folder.file(name) }

  /// Runs `watermark stress` with further arguments.
  func stress(_ arguments: [String]) async throws -> Tool.Outcome {
    try await tool.start(base + arguments).outcome()
  }
}

@Suite("bulwark watermark stress")
struct WatermarkStressTests {
  private func value(_ row: [String: Any], _ metric: String) throws -> Double {
    let metrics = try #require(row["metrics"] as? [String: [String: Any]])
    return try #require((metrics[metric]?["value"] as? NSNumber)?.doubleValue, "\(metric)")
  }

  @Test("A run leaves a table, JSON and a plot; kept attacks are not run again")
  func everything() async throws {
    let fixture = try await StressFixture(trainsNull: true)
    let out = fixture.file("run")
    let attacks = [
      "prune-0.1", "distillation:epochs=8,batch_size=20", "quantize-8",
      "salun:epochs=1", "prune-0.3+ftal:epochs=1", "distillation:images=other,epochs=1,width=3",
    ]
    let null = fixture.file("null") + "/standard.h5"
    let arguments =
      [
        "--foreign", fixture.file("foreign.h5"), "--null-model", null, "--null-model", null,
        "--other-data", "digits", "--other-limit", "100", "--keep-surrogates", "--level", "0.3",
        "--margin", "0.9",
        "--out", out, "--json",
      ] + attacks.flatMap { ["--attack", $0] }
    let outcome = try await fixture.stress(arguments)
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.map { $0["name"] as? String } == ["none"] + attacks)
    #expect(try value(rows[0], "carrier_accuracy") == 1)
    #expect(try value(rows[1], "carrier_accuracy") > 0.8)
    #expect(try value(rows[2], "carrier_accuracy") < 0.6)
    #expect(try value(rows[3], "carrier_accuracy") > 0.8)
    // Two keys, three models: six pairs, and none scores as much.
    #expect(abs(try value(rows[0], "p_value") - 1 / 6.0) < 1e-9)
    #expect(abs(try value(rows[0], "watermark_rank_log10_p") - log10(1 / 6.0)) < 1e-9)
    #expect(try value(rows[0], "foreign_score") < 0.6)
    for row in rows.dropFirst() {
      #expect(try value(row, "attack_time") > 0)
      #expect((0...1).contains(try value(row, "class_prior_shift")))
      let change = try value(row, "clean_accuracy") - value(rows[0], "clean_accuracy")
      #expect(abs(try value(row, "accuracy_change") - change) < 1e-9)
    }
    let details = try #require(outcome.json?["details"] as? [String: Any])
    #expect((details["verdict"] as? String)?.contains("distillation") == true)
    for (place, name) in attacks.enumerated() {
      #expect(outcome.stderr.contains("[\(place + 1)/\(attacks.count)] \(name): accuracy"))
    }
    // The owner's images are among those of --other-data and were left out.
    #expect(outcome.stderr.contains("images of digits are the owner's"))

    let report = try JSONValue(
      parsing: String(contentsOfFile: out + "/stress.json", encoding: .utf8))
    #expect(report["schema"] == "bulwark.stress/1")
    let plot = try String(contentsOfFile: out + "/stress.svg", encoding: .utf8)
    #expect(plot.hasPrefix("<svg") && plot.contains("prune-0.1"))
    let kept = try FileManager.default.contentsOfDirectory(atPath: out + "/attacks")
    #expect(kept.count { $0.hasSuffix(".h5") } == attacks.count)
    #expect(!kept.contains { $0.contains("partial") })

    let again = try await fixture.tool.start(
      ["run", out + "/recipe.yaml", "--out", out, "--resume"]
    ).outcome()
    #expect(again.status == 0, "\(again.stderr)")
    for name in attacks {
      #expect(again.stderr.contains(name + ": accuracy"))
      #expect(again.stdout.contains(name))
    }
    #expect(again.stderr.components(separatedBy: "(from an earlier run)").count == 7)
  }

  @Test("Kept attacks do not count once carriers or other images are replaced under the same path")
  func replaced() async throws {
    let fixture = try await StressFixture()
    let digits = try DataSource.load("digits", options: DataOptions(limit: 400)).train
    func writeOthers(_ positions: Range<Int>) throws {
      let part = try digits.subset(Array(positions))
      try DatasetFile(images: part.images, labels: part.labels, classNames: part.classNames)
        .write(to: fixture.file("others.h5"), overwrite: true)
    }
    try writeOthers(0..<200)
    let out = fixture.file("run")
    let first = try await fixture.stress([
      "--other-data", fixture.file("others.h5"), "--attack", "prune-0.1", "--out", out,
    ])
    #expect(first.status == 0, "\(first.stderr)")
    func isKept() async throws -> Bool {
      let again = try await fixture.tool("run", out + "/recipe.yaml", "--out", out, "--resume")
      #expect(again.status == 0, "\(again.stderr)")
      return again.stderr.contains("(from an earlier run)")
    }
    #expect(try await isKept())
    try writeOthers(200..<400)
    #expect(try await !isKept())
    #expect(try await isKept())
    try FileManager.default.removeItem(atPath: fixture.file("carriers.h5"))
    try FileManager.default.copyItem(
      atPath: fixture.file("foreign.h5"), toPath: fixture.file("carriers.h5"))
    #expect(try await !isKept())
  }

  @Test("Interrupted and killed, a run ends with the numbers of an uninterrupted one")
  func resumes() async throws {
    let fixture = try await StressFixture()
    let arguments = [
      "--attack", "prune-0.5", "--attack", "distillation:epochs=60,batch_size=20", "--attack",
      "noise", "--set", "checkpoint_interval=0.2",
    ]
    let whole = try await fixture.stress(arguments + ["--out", fixture.file("whole"), "--quiet"])
    #expect(whole.status == 0, "\(whole.stderr)")
    let parts = fixture.file("parts")
    let first = try fixture.tool.start(fixture.base + arguments + ["--out", parts, "--skip-bad"])
    try await first.wait(for: "stress: distillation")
    first.send(SIGTERM)
    let stopped = try await first.outcome()
    #expect(stopped.status == 75, "\(stopped.stderr)")
    let advice = "bulwark run \(parts)/recipe.yaml --out \(parts) --resume --skip-bad"
    #expect(stopped.stderr.contains(advice), "\(stopped.stderr)")
    let killed = try fixture.tool.start(["run", parts + "/recipe.yaml", "--out", parts, "--resume"])
    _ = try await killed.says("stress: distillation")
    killed.send(SIGKILL)
    _ = try await killed.outcome()
    let last = try await fixture.tool(
      "run", parts + "/recipe.yaml", "--out", parts, "--resume", "--quiet")
    #expect(last.status == 0, "\(last.stderr)")
    func timeless(_ folder: String) throws -> String {
      try String(contentsOfFile: folder + "/stress.json", encoding: .utf8)
        .replacing(try Regex("\"seconds\":[0-9.e-]+"), with: "")
    }
    #expect(try timeless(parts) == timeless(fixture.file("whole")))
  }

  @Test("Wrong attacks, settings and carriers each have their message and exit code")
  func errors() async throws {
    let fixture = try await StressFixture()
    let small = fixture.file("small.h5")
    try DatasetFile(
      images: Tensor.zeros([2, 1, 8, 8], dtype: .uint8), labels: [0, 1],
      classNames: (0..<10).map(String.init)
    ).write(to: small)
    let cases: [([String], Int32, String)] = [
      (["--attack", "destillation"], 64, "'distillation'"),
      (["--attack", "distillation:temprature=4"], 64, "'temperature'"),
      (["--attack", "prune:share=2"], 64, "prune:share=2.share"),
      (["--attack", "ftal", "--attack", "ftal"], 64, "repetition"),
      (["--attack", "ftal", "--attack", "salun:label=12"], 64, "salun:label=12.label"),
      (["--attack", "prune-0.1+salun:label=12"], 64, "salun:label=12.label"),
      (["--attack", "distillation-half-disjoint"], 64, "--other-data"),
      (["--suite", "fast"], 64, "standard"),
      (["--margin", "2"], 64, "margin"),
      (["--key", "/nonexistent.json"], 64, "only one of them"),
      (["--carriers", "/nonexistent.h5"], 66, "nonexistent"),
      (["--carriers", small], 65, "1x8x8"),
      (["--checkpoint", "/nonexistent.h5"], 66, "nonexistent"),
      (["--null-model", small], 65, "small.h5"),
      (["--foreign-keys", "0"], 64, "foreign_keys"),
      (["--foreign-keys", "49"], 64, "no effect"),
      (["--set", "evidence.foreign_keys=9"], 64, "no effect"),
      (["--suite", "standard", "--attack", "ftal"], 64, "'suite' (--suite) has no effect"),
      (["--set", "augmentation.padding=2", "--attack", "ftal"], 64, "views=recipe"),
      (["--level", "2"], 64, "evidence.level"),
      (["--set", "margn=0.1"], 64, "'margin'"),
    ]
    for (arguments, status, words) in cases {
      let outcome = try await fixture.stress(["--out", fixture.file("never")] + arguments)
      #expect(outcome.status == status, "\(arguments): \(outcome.stderr)")
      #expect(outcome.stderr.contains(words), "\(arguments): \(outcome.stderr)")
    }
    #expect(!FileManager.default.fileExists(atPath: fixture.file("never")))
    let missing = try await fixture.tool("watermark", "stress", "--carriers", small)
    #expect(missing.status == 64)
    #expect(missing.stderr.contains("--checkpoint"))
  }

  @Test("The folders of a set of carriers are named after the model's classes, and may be few")
  func carrierFolder() async throws {
    let fixture = try await StressFixture()
    let own = try DataSource.load(fixture.file("carriers.h5"), options: DataOptions()).train
    // Only two of the ten classes, so that positions among the folders are not the model's labels.
    let kept = own.labels.indices.filter { [3, 7].contains(own.labels[$0]) }
    try #require(!kept.isEmpty)
    func write(_ name: (Int) -> String, to folder: String) throws {
      for index in kept {
        let place = fixture.file(folder) + "/" + name(own.labels[index])
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try ImageCodec.writePNG(own.raster(index), to: place + "/\(index).png")
      }
    }
    try write(String.init, to: "folder")
    let outcome = try await fixture.stress([
      "--carriers", fixture.file("folder"), "--attack", "prune:share=0.01", "--out",
      fixture.file("by-folder"), "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(try value(rows[0], "carrier_accuracy") == 1, "the labels are 3 and 7, not 0 and 1")
    try write({ $0 == 3 ? "three" : "seven" }, to: "unknown")
    let unknown = try await fixture.stress([
      "--carriers", fixture.file("unknown"), "--attack", "ftal", "--out", fixture.file("never"),
    ])
    #expect(unknown.status == 65 && unknown.stderr.contains("'seven'"), "\(unknown.stderr)")
  }

  @Test("A key file of Bulwark's own is held against foreign keys and null models that are kept")
  func keyFile() async throws {
    let fixture = try await StressFixture()
    let task = [
      "--set", "data={path: digits, limit: 200, test_limit: 60}", "--set", "threads=1", "--set",
      "precision=fp32", "--set", "augmentation={padding: 1, flip: false}",
    ]
    let training = "{epochs: 14, batch_size: 25, learning_rate: 0.05}"
    let recipes =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path + "/Recipes/watermark"
    let host = fixture.file("host")
    let embedded = try await fixture.tool.start(
      [
        "run", recipes + "/digits-adi.yaml", "--out", host, "--quiet", "--set", "model.width=8",
        "--set", "training=\(training)", "--set", "watermark.carriers.count=20",
      ] + task
    ).outcome()
    try #require(embedded.status == 0, "\(embedded.stderr)")
    func stress(_ name: String, _ more: [String] = []) async throws -> Tool.Outcome {
      try await fixture.tool.start(
        [
          "run", recipes + "/digits-stress.yaml", "--out", fixture.file(name), "--json", "--set",
          "checkpoint=\(host)/model.h5", "--set", "key=\(host)/key.json", "--set",
          "attacks=[prune-0.1, 'rtll:epochs=1', salun, 'distillation-half:epochs=1']", "--set",
          "nulls.count=2", "--set",
          "nulls.training=\(training)", "--set", "evidence.foreign_keys=9", "--set",
          "cache=\(fixture.file("cache"))", "--set", "evidence.level=0.05",
        ] + task + more
      ).outcome()
    }
    let outcome = try await stress("first")
    #expect(outcome.status == 0, "\(outcome.stderr)")
    // A population for each architecture that a surrogate has.
    for width in [8, 4] {
      #expect(outcome.stderr.contains("training 2 null models (small_cnn, width \(width))"))
    }
    #expect(!outcome.stderr.contains("sealed to"))
    // What SalUn forgets is a class of the key's.
    let report = fixture.file("first") + "/stress.json"
    let mode = try FileManager.default.attributesOfItem(atPath: report)[.posixPermissions]
    #expect(mode as? Int == 0o600)
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(try value(rows[0], "carrier_accuracy") > 0.9)
    // Ten keys, three models.
    #expect(abs(try value(rows[0], "p_value") - 1 / 30.0) < 1e-9)
    #expect(try value(rows[1], "p_value") < 0.05)
    #expect(try value(rows[2], "original_last_layer_score") > 0.9)
    #expect(try value(rows[0], "foreign_score") < 0.6)
    let second = try await stress("second")
    #expect(second.status == 0, "\(second.stderr)")
    #expect(!second.stderr.contains("null models"))
    let again = try #require(second.json?["rows"] as? [[String: Any]])
    for (a, b) in zip(rows, again) {
      #expect(try value(a, "carrier_accuracy") == value(b, "carrier_accuracy"))
    }

    // The p-value is that of `verify`, with the same null models.
    let verified = try await fixture.tool.start(
      [
        "run", recipes + "/digits-verify.yaml", "--json", "--set", "suspect=\(host)/model.h5",
        "--set", "key=\(host)/key.json", "--set", "nulls.count=2", "--set",
        "nulls.training=\(training)", "--set", "evidence.foreign_keys=9", "--set",
        "evidence.suspect_keys=9", "--set", "evidence.level=0.05", "--set",
        "cache=\(fixture.file("cache"))",
      ] + task
    ).outcome()
    #expect(!verified.stderr.contains("null models"), "\(verified.stderr)")
    let metrics = try #require(verified.json?["metrics"] as? [String: [String: Any]])
    let log = try #require((metrics["watermark_rank_log10_p"]?["value"] as? NSNumber)?.doubleValue)
    #expect(abs(pow(10, log) - (try value(rows[0], "p_value"))) < 1e-9)
    let probability = try #require(metrics["carrier_probability"]?["value"] as? NSNumber)
    #expect(try value(rows[0], "carrier_probability") == probability.doubleValue)

    // Somebody's key on a model that is not marked: nothing to remove, whatever an attack does.
    let cached = try FileManager.default.contentsOfDirectory(atPath: fixture.file("cache"))
    let innocent = try #require(
      cached.map { fixture.file("cache") + "/" + $0 }.sorted().first {
        (try? Checkpoint(reading: $0))?.architecture["width"] == 8
      })
    let wrong = try await stress("wrong", ["--set", "checkpoint=\(innocent)"])
    #expect(wrong.status == 2, "\(wrong.stderr)")
    #expect(wrong.stderr.contains("sealed to another model"))
    let details = try #require(wrong.json?["details"] as? [String: Any])
    #expect((details["verdict"] as? String)?.contains("does not show this key") == true)
    #expect((details["removed_by"] as? [String])?.isEmpty == true)
  }

  @Test("--dry-run estimates every attack of the standard suite and leaves nothing behind")
  func dryRun() async throws {
    let fixture = try await StressFixture()
    let outcome = try await fixture.stress([
      "--dry-run", "--out", fixture.file("never"), "--json", "--quiet",
    ])
    #expect(outcome.status == 0, "\(outcome.stderr)")
    let metrics = try #require(outcome.json?["metrics"] as? [String: [String: Any]])
    #expect(try #require(metrics["estimated_seconds"]?["value"] as? Double) > 0)
    let rows = try #require(outcome.json?["rows"] as? [[String: Any]])
    #expect(rows.count > 30)
    #expect(try value(rows[0], "estimated_seconds") > 0)
    #expect(!FileManager.default.fileExists(atPath: fixture.file("never")))
  }

  @Test("The stress recipes of the repository have only valid settings, and say how to run them")
  func recipes() throws {
    let folder =
      URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path + "/Recipes/watermark"
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.contains("stress") }
    #expect(files.count >= 2)
    for file in files {
      let path = folder + "/" + file
      let resolved = try ResolvedRecipe<StressRecipe>(file: path, overrides: []) { _ in }
      #expect(resolved.recipe.names.count > 25)
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.contains("# Source: "))
      #expect(text.contains("# Command: "))
      #expect(text.contains("bulwark run Recipes/watermark/\(file) "))
    }
  }
}
