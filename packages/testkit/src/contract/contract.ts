import { describe, test } from 'vitest';

/** A test that a variant does not run, and why. Printed at the end of every run. */
export interface Skip {
  test: string;
  reason: string;
}

export type Cases<Subject> = Readonly<Record<string, (subject: Subject) => Promise<void>>>;

interface Closeable {
  close(): Promise<void>;
}

/** Runs each case on a fresh subject, or skips it with the variant's reason. */
export function contract<Subject extends Closeable>(
  name: string,
  open: () => Promise<Subject>,
  skip: readonly Skip[],
  cases: Cases<Subject>,
): void {
  const unknown = skip.find((item) => cases[item.test] === undefined);
  if (unknown !== undefined) throw new Error(`${name}: there is no test '${unknown.test}' to skip`);
  describe(name, () => {
    for (const [title, run] of Object.entries(cases)) {
      const reason = skip.find((item) => item.test === title)?.reason;
      test(title, async (ctx) => {
        if (reason !== undefined) return ctx.skip(reason);
        const subject = await open();
        try {
          await run(subject);
        } finally {
          await subject.close();
        }
      });
    }
  });
}
