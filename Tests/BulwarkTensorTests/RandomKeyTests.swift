import BulwarkTensor
import Foundation
import Testing

@Suite struct RandomKeyTests {
  let key = RandomKey(seed: 7)

  @Test func theSameKeyGivesTheSameNumbers() throws {
    #expect(try key.uniform([9]).floats() == key.uniform([9]).floats())
    #expect(try key.normal([9]).floats() == key.normal([9]).floats())
    #expect(try key.integers([9], below: 99).integers() == key.integers([9], below: 99).integers())
    #expect(try key.permutation(9).integers() == key.permutation(9).integers())
    var (a, b) = (key.generator(), key.generator())
    #expect((0..<9).map { _ in a.next() } == (0..<9).map { _ in b.next() })
    #expect(RandomKey(seed: 7).stream("a").step(3) == key.stream("a").step(3))
  }

  @Test func theOrderOfOtherDrawsDoesNotMatter() throws {
    let alone = try key.stream("b").normal([5]).floats()
    _ = try key.stream("a").normal([100])
    #expect(try key.stream("b").normal([5]).floats() == alone)
  }

  @Test func derivedKeysDiffer() {
    var values: Set<UInt64> = []
    for seed in 0..<20 as Range<UInt64> {
      for name in ["", "a", "b", "ab", "ba"] {
        for step in [-1, 0, 1, 2, 1 << 40] {
          values.insert(RandomKey(seed: seed).stream(name).step(step).value)
        }
      }
    }
    #expect(values.count == 20 * 5 * 5)
    #expect(key.stream("a").stream("b") != key.stream("b").stream("a"))
    #expect(key.step(1).step(2) != key.step(2).step(1))
  }

  @Test func streamsAreUncorrelated() throws {
    let n = 20_000
    let others = [key.stream("b"), key.stream("a").step(0), RandomKey(seed: 8).stream("a")]
    let base = try key.stream("a").normal([n])
    for other in others {
      let correlation = try (base * other.normal([n])).mean().item()
      #expect(abs(correlation) < 5 / Double(n).squareRoot())
    }
  }

  @Test func distributions() throws {
    let n = 40_000
    let error = 5 / Double(n).squareRoot()
    let normal = try key.normal([n])
    #expect(abs(try normal.mean().item()) < error)
    #expect(abs(try normal.variance().item() - 1) < error * 2.0.squareRoot())
    let uniform = try key.uniform([n], from: -2, to: 4)
    #expect(try uniform.min().item() >= -2 && uniform.max().item() < 4)
    #expect(abs(try uniform.mean().item() - 1) < error * 3.0.squareRoot())
    #expect(abs(try uniform.variance().item() / 3 - 1) < error)
    let counts = try key.integers([n], below: 5).oneHot(5).sum([0]).doubles()
    let chi = counts.reduce(0) {
      $0 + ($1 - Double(n) / 5) * ($1 - Double(n) / 5) / (Double(n) / 5)
    }
    // 99.99 % of the chi-squared distribution with 4 degrees of freedom.
    #expect(chi < 23.5)
  }

  @Test func permutationsHoldEveryNumberOnce() throws {
    for count in [0, 1, 2, 1000] {
      #expect(try key.permutation(count).integers().sorted() == Array(0..<count))
    }
    let first = try (0..<3000).map { try key.step($0).permutation(3).integers() }
    for order in Set(first) { #expect(abs(first.filter { $0 == order }.count - 500) < 110) }
    #expect(Set(first).count == 6)
  }

  @Test func hostGenerator() {
    var generator = key.generator()
    let values = (0..<20_000).map { _ in generator.uniform() }
    #expect(values.allSatisfy { (0..<1).contains($0) })
    #expect(abs(values.reduce(0, +) / 20_000 - 0.5) < 0.011)
    #expect((0..<100).map { _ in Int.random(in: 0..<3, using: &generator) }.allSatisfy { $0 < 3 })
  }

  @Test func survivesCoding() throws {
    let data = try JSONEncoder().encode(key)
    #expect(try JSONDecoder().decode(RandomKey.self, from: data) == key)
  }

  /// Published values of SplitMix64 for seed 1234567, which pin the derivation down.
  @Test func generatorIsSplitMix64() {
    // The state before the first output is the key's value; the next state is 0x9E37… further.
    let state: UInt64 = 1_234_567
    func output(_ z0: UInt64) -> UInt64 {
      var z = z0
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    #expect(output(state &+ 0x9E37_79B9_7F4A_7C15) == 6_457_827_717_110_365_317)
    var generator = key.generator()
    #expect(generator.next() == output(key.value &+ 0x9E37_79B9_7F4A_7C15))
  }
}
