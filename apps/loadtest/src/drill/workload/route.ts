/**
 * Where one client connects: its node, and after a connection that ended or did not come about the next one, as behind a load balancer.
 * The address that a client was given stands for all of them.
 */
export class Route {
  readonly #urls: readonly string[];
  #at: number;

  constructor(urls: readonly string[], first: number) {
    this.#urls = urls;
    this.#at = first;
  }

  get url(): string {
    return this.#urls[this.#at % this.#urls.length]!;
  }

  /** The one of the last try did not do. */
  next(): void {
    this.#at++;
  }

  /** A url of the client's, at the node of now. */
  to(url: string): string {
    const { pathname, search } = new URL(url);
    return new URL(pathname + search, this.url).href;
  }
}
