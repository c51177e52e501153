// Who runs when and where, whatever comes in whatever order.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Queue, type Place, type Task } from "../../src/schedule/queue.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Tasks that note what happens, and end when they are told to. */
class Watched {
  readonly running = new Map<number, { place: Place; end: () => void }>();
  readonly started: number[] = [];
  readonly dropped: number[] = [];
  readonly tasks: Task[] = [];

  add(queue: Queue, wants: Place | "any" | ((alone: boolean) => Place | "any")): void {
    const id = this.tasks.length;
    const task: Task = {
      wants: typeof wants === "function" ? wants : () => wants,
      start: (place) => {
        this.started.push(id);
        return new Promise((resolve) => {
          this.running.set(id, {
            place,
            end: () => {
              this.running.delete(id);
              resolve();
            },
          });
        });
      },
      drop: () => void this.dropped.push(id),
    };
    this.tasks.push(task);
    queue.add(task);
  }

  get places(): Place[] {
    return [...this.running.values()].map(({ place }) => place);
  }
}

const wishes = fc.array(fc.constantFrom<Place | "any">("here", "all", "any", "any", 0, 1), { maxLength: 25 });

test("no place is taken twice, what needs all has all and is not overtaken, and everything gets its turn", async () => {
  await fc.assert(
    fc.asyncProperty(
      wishes,
      fc.integer({ min: 2, max: 4 }),
      fc.infiniteStream(fc.nat(9)),
      async (wanted, workers, which) => {
        const watched = new Watched();
        const queue = new Queue(workers, () => 0);
        for (const wish of wanted) watched.add(queue, wish);
        while (watched.started.length < wanted.length || watched.running.size) {
          await turn();
          const { places, started } = watched;
          expect(places.length).toBeGreaterThan(0);
          expect(new Set(places).size).toBe(places.length);
          if (places.includes("all")) expect(places).toEqual(["all"]);
          for (const id of started) {
            if (wanted[id] !== "all") continue;
            // All that came before it started before it, and nothing that came after.
            expect([...started.slice(0, started.indexOf(id))].sort((a, b) => a - b)).toEqual([...Array(id).keys()]);
          }
          for (const wish of ["here", "any", 0, 1]) {
            const those = started.filter((id) => wanted[id] === wish);
            expect(those).toEqual([...those].sort((a, b) => a - b));
          }
          const ids = [...watched.running.keys()];
          watched.running.get(ids[which.next().value! % ids.length])!.end();
        }
        expect(watched.started.length).toBe(wanted.length);
      },
    ),
    { numRuns: 60 },
  );
});

test("whoever comes in the same turn is no longer alone; who comes last to an empty queue is", async () => {
  const queue = new Queue(2, () => 0);
  const watched = new Watched();
  const told: boolean[] = [];
  const tell = (alone: boolean) => {
    told.push(alone);
    return "any" as const;
  };
  watched.add(queue, tell);
  watched.add(queue, tell);
  await turn();
  expect(told).toEqual([false, false]);
  [...watched.running.values()].forEach(({ end }) => end());
  await turn();
  watched.add(queue, tell);
  await turn();
  expect(told).toEqual([false, false, true]);
});

test("of free workers the one that holds least is taken", async () => {
  const queue = new Queue(3, (worker) => [4, 2, 3][worker]);
  const watched = new Watched();
  for (let i = 0; i < 3; ++i) watched.add(queue, "any");
  await turn();
  expect(watched.places).toEqual([1, 2, 0]);
});

test("a task that is taken out lets pass who waited behind it; the end drops all that wait", async () => {
  const queue = new Queue(2, () => 0);
  const watched = new Watched();
  for (const wish of ["any", "all", "any", "all", "here"] as const) watched.add(queue, wish);
  await turn();
  expect(watched.started).toEqual([0]);
  expect(queue.remove(watched.tasks[0])).toBe(false);
  expect(queue.remove(watched.tasks[1])).toBe(true);
  await turn();
  expect(watched.started).toEqual([0, 2]);
  queue.end(new Error("over"));
  expect(watched.dropped).toEqual([3, 4]);
});

test("a task whose start throws is told so, and its place is free for the next", async () => {
  const queue = new Queue(1, () => 0);
  const watched = new Watched();
  const dropped: unknown[] = [];
  const starts: Task["start"][] = [
    () => {
      throw new Error("at once");
    },
    () => Promise.reject(new Error("later")),
  ];
  for (const start of starts) queue.add({ wants: () => "all", start, drop: (error) => void dropped.push(error) });
  watched.add(queue, "all");
  await turn();
  await turn();
  expect(dropped).toEqual([new Error("at once"), new Error("later")]);
  expect(watched.places).toEqual(["all"]);
});
