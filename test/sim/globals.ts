import { realMicrotask, type Task, type World } from './world.ts';

// What the product takes from the platform, taken from the world instead: the SDK is for browsers and knows no clock port.

const TIMER_MIN_MS = 1;

class Timer {
  task: Task | undefined;

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

/** Runs `work` with the world's time, timers, chance and microtasks in place of the machine's. Nothing else may run meanwhile. */
export async function withVirtualGlobals<T>(world: World, work: () => Promise<T>): Promise<T> {
  const random = world.random.fork('product');
  const own = new Map<object, Record<string, unknown>>();
  function replace(holder: object, fields: Record<string, unknown>): void {
    const before: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fields)) {
      before[name] = (holder as Record<string, unknown>)[name];
      (holder as Record<string, unknown>)[name] = value;
    }
    own.set(holder, before);
  }

  function start(ms: number, task: () => void): Timer {
    const timer = new Timer();
    timer.task = world.in(world.current, ms, task);
    return timer;
  }
  function stop(timer: unknown): void {
    if (timer instanceof Timer && timer.task !== undefined) timer.task.cancelled = true;
  }
  const setTimeout = (task: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
    start(Math.max(TIMER_MIN_MS, Number.isNaN(ms) ? 0 : ms), () => task(...args));

  replace(globalThis, {
    setTimeout,
    clearTimeout: stop,
    setImmediate: (task: (...args: unknown[]) => void, ...args: unknown[]) => start(0, () => task(...args)),
    clearImmediate: stop,
    setInterval: (task: () => void, ms = 0) => {
      const timer = new Timer();
      const again = () => {
        timer.task = world.in(world.current, Math.max(TIMER_MIN_MS, ms), () => {
          again();
          task();
        });
      };
      again();
      return timer;
    },
    clearInterval: stop,
    queueMicrotask: (task: () => void) =>
      realMicrotask(() => {
        try {
          task();
        } catch (error) {
          world.crashed('uncaught in a microtask', error);
        }
      }),
  });
  replace(Date, { now: () => world.timeOf(world.current) });
  replace(performance, { now: () => world.now });
  replace(Math, { random: () => random.next() });
  replace(crypto, {
    getRandomValues: (bytes: Uint8Array) => {
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
      return bytes;
    },
  });
  replace(AbortSignal, {
    timeout: (ms: number) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(new DOMException('too late', 'TimeoutError')), ms);
      return controller.signal;
    },
  });
  try {
    return await work();
  } finally {
    for (const [holder, fields] of own) Object.assign(holder, fields);
  }
}
