import { describe, expect, it } from "vitest";
import { createTimerQueue } from "./timer-queue.ts";

describe("createTimerQueue", () => {
  it("fires what is due, in order of deadline and then of arming", () => {
    const queue = createTimerQueue();
    const fired: string[] = [];
    queue.arm(30, () => fired.push("c"));
    queue.arm(10, () => fired.push("a1"));
    queue.arm(20, () => fired.push("b"));
    queue.arm(10, () => fired.push("a2"));
    queue.fireDue(20);
    expect(fired).toEqual(["a1", "a2", "b"]);
    expect(queue.nextDeadlineNs).toBe(30);
  });

  it("forgets a disposed timer, also when another one's firing disposes it", () => {
    const queue = createTimerQueue();
    const fired: string[] = [];
    const victim = queue.arm(2, () => fired.push("victim"));
    queue.arm(1, () => {
      fired.push("killer");
      victim.dispose();
    });
    queue.fireDue(5);
    victim.dispose();
    expect(fired).toEqual(["killer"]);
    expect(queue.nextDeadlineNs).toBe(Number.POSITIVE_INFINITY);
  });

  it("leaves a timer armed while firing for the next call, even if it is overdue", () => {
    const queue = createTimerQueue();
    let count = 0;
    const again = (): void => {
      count++;
      queue.arm(0, again);
    };
    queue.arm(0, again);
    queue.fireDue(100);
    expect(count).toBe(1);
    queue.fireDue(100);
    expect(count).toBe(2);
  });

  it("tells when a new timer is due before all others", () => {
    const queue = createTimerQueue();
    let told = 0;
    queue.onEarlier(() => told++);
    queue.arm(10, () => {});
    queue.arm(20, () => {});
    queue.arm(10, () => {});
    expect(told).toBe(1);
    queue.arm(5, () => {});
    expect(told).toBe(2);
  });
});
