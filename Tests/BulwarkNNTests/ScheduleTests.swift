import BulwarkNN
import Foundation
import Testing

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }

@Suite struct ScheduleTests {
  @Test(arguments: [
    ("cosine", Schedule.cosine(total: 40)),
    ("steps", Schedule.steps(milestones: [10, 25], factor: 0.1)),
    ("warmup", Schedule.warmupCosine(warmup: 8, total: 40)),
  ])
  func followsTheReference(_ name: String, _ schedule: Schedule) throws {
    for (step, rate) in try Fixture("schedules")[name].doubles().enumerated() {
      #expect(abs(schedule.factor(at: Double(step)) - rate) < 1e-12, "step \(step)")
    }
  }

  @Test func staysInItsRange() {
    #expect(Schedule.constant.factor(at: 1e9) == 1)
    #expect(Schedule.cosine(total: 40).factor(at: 41) == 0)
    #expect(Schedule.warmupCosine(warmup: 0, total: 40).factor(at: 0) == 1)
    #expect(Schedule.warmupCosine(warmup: 8, total: 40).factor(at: 0) == 0)
    #expect(Schedule.warmupCosine(warmup: 8, total: 8).factor(at: 9) == 0)
  }

  @Test func survivesCoding() throws {
    let schedule = Schedule.steps(milestones: [1, 2.5], factor: 0.5)
    let data = try JSONEncoder().encode(schedule)
    #expect(try JSONDecoder().decode(Schedule.self, from: data) == schedule)
  }
}
