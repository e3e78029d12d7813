import BulwarkData
import BulwarkStore
import BulwarkTensor
import BulwarkTraining
import Foundation
import Testing

@testable import BulwarkWatermark

@Suite("Watermark keys")
struct KeyTests {
  private let secret = WatermarkSecret.published("test", 1)

  @Test("Everything drawn from a secret is drawn again alike, and differs by name and secret")
  func draws() {
    let other = WatermarkSecret.published("test", 2)
    #expect(secret.bits("a", count: 300) == secret.bits("a", count: 300))
    #expect(secret.bits("a", count: 300) != secret.bits("b", count: 300))
    #expect(secret.bits("a", count: 300) != other.bits("a", count: 300))
    #expect(secret.normals("a", count: 9) == secret.normals("a", count: 9))
    #expect(secret.normals("a", count: 9) != secret.normals("b", count: 9))
    #expect(secret.foreign(0) != secret.foreign(1) && secret.foreign(0) != other.foreign(0))
    #expect(WatermarkSecret.random() != WatermarkSecret.random())
    #expect(WatermarkSecret(hexadecimal: secret.hexadecimal) == secret)
    #expect(WatermarkSecret(bytes: [1, 2, 3]) == nil)
  }

  @Test("Integers are uniform and selections hold every value once")
  func uniform() {
    let values = secret.integers("labels", count: 20_000, below: 10)
    var counts = [Int](repeating: 0, count: 10)
    for value in values { counts[value] += 1 }
    // Chi-square with 9 degrees of freedom exceeds 27.9 once in a thousand.
    let chi = counts.reduce(0.0) { $0 + pow(Double($1) - 2000, 2) / 2000 }
    #expect(chi < 27.9)
    #expect(secret.selection("order", count: 50, below: 50).sorted() == Array(0..<50))
    #expect(secret.selection("order", count: 50, below: 50) != Array(0..<50))
    #expect(Set(secret.selection("few", count: 7, below: 50)).count == 7)
  }

  @Test("Normal numbers have the moments and the tails of the normal distribution")
  func normal() {
    let values = secret.normals("projection", count: 40_000).map(Double.init)
    func moment(_ power: Int) -> Double {
      values.reduce(0) { $0 + pow($1, Double(power)) } / Double(values.count)
    }
    // Standard errors: 0.005, 0.007, 0.019 and 0.049.
    #expect(abs(moment(1)) < 0.02 && abs(moment(2) - 1) < 0.03)
    #expect(abs(moment(3)) < 0.08 && abs(moment(4) - 3) < 0.2)
    let beyond = Double(values.count { abs($0) > 1.96 }) / 40_000
    #expect(abs(beyond - 0.05) < 0.005)
    // Neighbors share a radius, and nothing else.
    let product = stride(from: 0, to: 40_000, by: 2).reduce(0.0) {
      $0 + values[$1] * values[$1 + 1]
    }
    #expect(abs(product / 20_000) < 0.03)
    #expect(secret.normals("projection", count: 3) == values.prefix(3).map { Float($0) })
  }

  @Test("Secrets that agree in all that a seeded generator keeps of them draw other projections")
  func allBits() throws {
    // LibTorch's Mersenne Twister keeps 32 bits of its seed. Among 2^17 secrets some share these bits.
    func seed(_ index: Int) -> RandomKey {
      let block = WatermarkSecret.published("collision", index).block("projection")
      return RandomKey(seed: block.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
    var known: [UInt32: Int] = [:]
    var pair: (Int, Int)?
    for index in 0..<1 << 19 where pair == nil {
      let kept = UInt32(truncatingIfNeeded: seed(index).value)
      pair = known[kept].map { ($0, index) }
      known[kept] = index
    }
    let (first, second) = try #require(pair)
    #expect(seed(first) != seed(second))
    let trapped = try [first, second].map { try seed($0).normal([20]).floats() }
    #expect(trapped[0] == trapped[1], "what a projection must not be drawn with")
    let place = BitPlace(layer: "any", shape: [4, 4, 3, 3], bits: 8)
    let drawn = try [first, second].map {
      try place.projection(.published("collision", $0)).floats()
    }
    #expect(zip(drawn[0], drawn[1]).allSatisfy { $0 != $1 })
  }

  @Test("Fields of a commitment cannot be shifted into each other")
  func fields() {
    #expect(Commitment(fields: [[1, 2], [3]]) != Commitment(fields: [[1], [2, 3]]))
    #expect(Commitment(fields: [[1]]) != Commitment(fields: [[1], []]))
    let commitment = Commitment(fields: [[1]])
    #expect(Commitment(parsing: commitment.description) == commitment)
    #expect(Commitment(parsing: "sha256:12") == nil)
  }

  @Test(
    "The commitment changes with secret, owner, settings, material, model, and the day of creation"
  )
  func binds() throws {
    let task = try TinyTask.shared.get()
    var options = WatermarkOptions.small
    let model = SHA256Digest(of: "model")
    func commitment(
      _ index: Int = 0, owner: String = "owner", model digest: SHA256Digest? = nil,
      train: ImageDataset? = nil, facts: WatermarkKey.Facts = WatermarkKey.Facts()
    ) throws -> Commitment? {
      try WatermarkKey(
        secret: .published("test owner", index), owner: owner,
        mark: task.mark(.zhangContent, options), train: train ?? task.data.train, facts: facts
      ).sealed(digest ?? model).commitment()
    }
    let first = try commitment()
    #expect(first != nil)
    #expect(try commitment(facts: WatermarkKey.Facts(created: "today")) != first)
    #expect(try commitment(facts: WatermarkKey.Facts(recipe: "another")) != first)
    #expect(try commitment(facts: WatermarkKey.Facts(published: "test:name")) != first)
    // Keys of an own secret say nothing about it.
    #expect(try !JSONValue.text(of: WatermarkKey.Facts()).contains("published"))
    #expect(try commitment(1) != first)
    #expect(try commitment(owner: "thief") != first)
    #expect(try commitment(model: SHA256Digest(of: "other model")) != first)
    let brighter = try task.data.train.replacingImages(
      (task.data.train.images.to(.float32) + 1).clamp(max: 255).to(.uint8))
    #expect(try commitment(train: brighter) != first)
    options.carriers.opacity = 0.5
    #expect(try commitment() != first)
    #expect(try task.key(.zhangContent, options).commitment() == nil)
  }

  @Test(
    "A key file gives the same carriers, is readable by its owner alone, and shows every change")
  func file() throws {
    let task = try TinyTask.shared.get()
    let folder = try TemporaryFolder()
    let path = folder.file("key.json")
    let key = try task.key(.rehearsed, .small).sealed(SHA256Digest(of: "model"))
    try key.write(to: path)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(!WatermarkKey.isReadableByOthers(path))
    let read = try WatermarkKey(reading: path)
    #expect(try read.commitment() == key.commitment())
    let (mine, theirs) = (try #require(try key.carriers()), try #require(try read.carriers()))
    #expect(try mine.images.bytes() == theirs.images.bytes())
    #expect(mine.labels == theirs.labels)

    let text = try String(contentsOfFile: path, encoding: .utf8)
    let changes = [
      ("\"owner\":\"owner\"", "\"owner\":\"thief\""),
      (
        "\"secret\":\"\(key.secret.hexadecimal)\"",
        "\"secret\":\"\(String(repeating: "0", count: 64))\""
      ),
      ("\"count\":30", "\"count\":29"), ("\"pixels\":\"AAAA", "\"pixels\":\"AAAB"),
      ("\"created\":\"\"", "\"created\":\"1999-12-31\""),
    ]
    for (old, new) in changes where text.contains(old) {
      try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: WatermarkError.self, "\(old)") { try WatermarkKey(reading: path) }
    }
    #expect(changes.count { text.contains($0.0) } >= 4)
    try "{}".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(throws: WatermarkError.self) { try WatermarkKey(reading: path) }
  }

  @Test("A key that replaces a readable file is at no moment readable by others itself")
  func neverReadable() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("key.json")
    try "{}".write(toFile: path, atomically: false, encoding: .utf8)
    chmod(path, 0o644)
    let queue = inotify_init1(O_NONBLOCK)
    try #require(queue >= 0)
    defer { close(queue) }
    try #require(
      inotify_add_watch(queue, folder.path, UInt32(IN_ATTRIB) | UInt32(IN_MOVED_TO)) >= 0)
    try TinyTask.shared.get().key(.adi, .small).write(to: path, overwrite: true)
    #expect(!WatermarkKey.isReadableByOthers(path))
    var buffer = [UInt8](repeating: 0, count: 1 << 14)
    let count = buffer.withUnsafeMutableBytes { read(queue, $0.baseAddress, $0.count) }
    let events = Array(buffer.prefix(max(0, count)))
    // Descriptor, mask, cookie and length of the name, four bytes each; then the name.
    var (place, modes, arrived) = (0, 0, false)
    while place + 16 <= events.count {
      let words = (0..<4).map { word in
        (0..<4).reduce(0) { $0 | Int(events[place + 4 * word + $1]) << (8 * $1) }
      }
      let name = events[place + 16..<place + 16 + words[3]].prefix { $0 != 0 }
      if String(decoding: name, as: UTF8.self) == "key.json" {
        if words[1] & Int(IN_ATTRIB) != 0 { modes += 1 }
        if words[1] & Int(IN_MOVED_TO) != 0 { arrived = true }
      }
      place += 16 + words[3]
    }
    #expect(arrived && modes == 0, "\(modes) changes of mode under the final name")
  }

  @Test("A key file with numbers that no key has is refused, and traps nobody")
  func impossible() throws {
    let task = try TinyTask.shared.get()
    let folder = try TemporaryFolder()
    let path = folder.file("key.json")
    let margin = try task.key(.margin, .small)
    let label = try #require(margin.material?.labels.first)
    let shape = margin.shape.map(String.init).joined(separator: ",")
    let place = try #require(try task.key(.uchida, .small).mark.bits)
    let kernel = place.shape.map(String.init).joined(separator: ",")
    let changes: [(WatermarkScheme, String, String)] = [
      (.zhangContent, "\"family\":\"patch\"", "\"family\":\"automatic\""),
      (.zhangContent, "\"scheme\":\"zhang-content\"", "\"scheme\":\"uchida\""),
      (.zhangContent, "\"count\":30", "\"count\":-1"),
      (.zhangContent, "\"classes\":10", "\"classes\":1"),
      (.adi, "\"classes\":10", "\"classes\":9223372036854775807"),
      (.adi, "\"shape\":[\(shape)]", "\"shape\":[]"),
      (.margin, "\"labels\":[\(label),", "\"labels\":[9223372036854775807,"),
      (.uchida, "\"bits\":16", "\"bits\":-1"),
      (.uchida, "\"bits\":16", "\"bits\":9223372036854775807"),
      (.uchida, "\"shape\":[\(kernel)]", "\"shape\":[1,1048576,3,3]"),
      (.coswm, "\"frequency\":3", "\"frequency\":0"),
    ]
    for (scheme, old, new) in changes {
      try task.key(scheme, .small).write(to: path, overwrite: true)
      #expect(throws: Never.self, "\(scheme)") { try WatermarkKey(reading: path) }
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.contains(old), "\(old)")
      try text.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
      let error = #expect(throws: WatermarkError.self, "\(new)") {
        try WatermarkKey(reading: path)
      }
      #expect(error?.summary.contains("no usable watermark key") == true, "\(new)")
    }
  }

  @Test("A released model tells its commitment and nothing that a thief could use")
  func released() throws {
    let task = try TinyTask.shared.get()
    let folder = try TemporaryFolder()
    let trainer = try task.trainer(.ingrain, .small, epochs: 1)
    _ = try trainer.run()
    let key = try trainer.sealedKey()
    let commitment = try #require(try key.commitment())
    try trainer.released(commitment).write(to: folder.file("model.h5"))
    let checkpoint = try Checkpoint(reading: folder.file("model.h5"))
    #expect(checkpoint.watermarkCommitment == commitment)
    #expect(try checkpoint.modelDigest().description == key.modelDigest)
    #expect(checkpoint.optimizer == nil && checkpoint.states.isEmpty && checkpoint.recipe == nil)
    #expect(checkpoint.history.isEmpty && checkpoint.indexSets.isEmpty)
    let file = try Data(contentsOf: URL(fileURLWithPath: folder.file("model.h5")))
    #expect(file.range(of: Data(key.secret.bytes)) == nil)
    #expect(file.range(of: Data(key.secret.hexadecimal.utf8)) == nil)
    #expect(file.range(of: Data("ingrain".utf8)) == nil)
    // The private checkpoint does hold the second network.
    #expect(try trainer.snapshot().states["ingrainer"] != nil)
  }
}
