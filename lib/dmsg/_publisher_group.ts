/** The entries of one server in several discoveries, kept true side by side. @module */
import type { EntryPublisher, PublisherStatus } from "./_publisher.ts";

export class PublisherGroup {
  readonly #publishers: readonly EntryPublisher[];

  constructor(publishers: readonly EntryPublisher[]) {
    this.#publishers = publishers;
  }

  /** Something changed that the entries say. */
  nudge(): void {
    for (const publisher of this.#publishers) publisher.nudge();
  }

  /** Of the first entry that is not published, else of the first: `published` is true when all are. */
  status(): PublisherStatus | undefined {
    const all = this.#publishers.map((publisher) => publisher.status());
    return all.find(({ published }) => !published) ?? all[0];
  }

  /** Deletes every entry once its loop has ended. Never rejects. */
  async remove(): Promise<void> {
    await Promise.all(this.#publishers.map((publisher) => publisher.remove()));
  }
}
