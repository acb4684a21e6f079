import { Hdr, type HdrData } from './hdr.ts';

export interface WindowData {
  readonly e2e: HdrData;
  readonly saved: HdrData;
}

/** The latencies of the second that runs. */
export class Window {
  readonly e2e = new Hdr();
  readonly saved = new Hdr();

  take(): WindowData {
    const data = { e2e: this.e2e.data(), saved: this.saved.data() };
    this.e2e.clear();
    this.saved.clear();
    return data;
  }
}
