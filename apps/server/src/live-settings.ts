import type { LiveSettings } from '@gapless/api';
import { ChatError, type SettingsChange, type TwoPhaseRules } from '@gapless/core';
import type { Backpressure, StrategyRules } from '@gapless/gateway';
import type { Logger } from 'pino';
import { type Config, checkTogether, flagName, LIVE_NAMES, SETTINGS, type Setting, type SettingName } from './settings.ts';

/** The settings in force. Some can be changed while running; who reads them through here sees the change at once. */
export class Settings implements LiveSettings {
  #config: Config;
  readonly #log: Pick<Logger, 'info'>;
  /** Told of what was changed here: the other nodes follow. */
  onSet: (change: SettingsChange) => void = () => {};
  /** What was changed while running, here or on another node, and when. */
  readonly #changed = new Map<SettingName, SettingsChange>();

  constructor(config: Config, log: Pick<Logger, 'info'>) {
    this.#config = config;
    this.#log = log;
  }

  get now(): Config {
    return this.#config;
  }

  list() {
    return LIVE_NAMES.map((name) => {
      const { default: fallback, values, help }: Setting<unknown> = SETTINGS[name];
      return { name: nameOf(name), value: String(this.#config[name]), default: fallback, values, help };
    });
  }

  /** All of them or none, on every node. @throws ChatError bad_frame */
  set(changes: Readonly<Record<string, string>>, by: string): void {
    const change = { changes, by, at: Date.now() };
    this.follow(change);
    this.onSet(change);
  }

  /** All of them or none, on this node; but for those that were changed later already. @throws ChatError bad_frame */
  follow({ changes, by, at }: SettingsChange): void {
    const named = Object.entries(changes).map(([name, text]) => [settingOf(name), text] as const);
    const parsed = named.filter(([name]) => at >= (this.#changed.get(name)?.at ?? 0));
    const next = { ...this.#config, ...Object.fromEntries(parsed.map(([name, text]) => [name, parse(name, text)])) };
    try {
      checkTogether(next);
    } catch (error) {
      throw new ChatError('bad_frame', { say: (error as Error).message });
    }
    for (const [name] of parsed)
      if (next[name] !== this.#config[name])
        this.#log.info({ by, setting: nameOf(name), from: this.#config[name], to: next[name] }, 'setting changed');
    this.#config = next;
    for (const [name, text] of parsed) this.#changed.set(name, { changes: { [nameOf(name)]: text }, by, at });
  }

  /** For a node that started since: it has what was set at its start. */
  retell(): void {
    for (const change of this.#changed.values()) this.onSet(change);
  }

  /** As the gateway reads it, at every decision. */
  get backpressure(): Backpressure {
    const settings = this;
    return {
      get enabled() {
        return settings.now.wsBackpressureEnabled;
      },
      get lowWaterBytes() {
        return settings.now.wsBackpressureWriteBufferLowWaterMarkBytes;
      },
      get highWaterBytes() {
        return settings.now.wsBackpressureWriteBufferHighWaterMarkBytes;
      },
      get closeUnwritableAfterMs() {
        return settings.now.wsBackpressureCloseUnwritableAfterMs;
      },
      get dropWhenUnwritable() {
        return settings.now.wsBackpressureDropWhenUnwritable;
      },
    };
  }

  get strategy(): StrategyRules {
    const settings = this;
    return {
      get mode() {
        return settings.now.groupChatStrategyMode;
      },
      get groupSizeThreshold() {
        return settings.now.groupChatStrategyGroupSizeThreshold;
      },
      get onlineUserThreshold() {
        return settings.now.groupChatStrategyOnlineUserThreshold;
      },
      get notifyMaxOnlineUser() {
        return settings.now.groupChatStrategyNotifyMaxOnlineUser;
      },
      get hugeGroupNoNotifySize() {
        return settings.now.groupChatStrategyHugeGroupNoNotifySize;
      },
    };
  }

  get twoPhase(): TwoPhaseRules {
    const settings = this;
    return {
      get enabled() {
        return settings.now.twoPhaseEnabled;
      },
      get percent() {
        return settings.now.twoPhasePercent;
      },
      get deliverBeforeSaved() {
        return settings.now.twoPhaseDeliverBeforeSaved;
      },
      get failOpen() {
        return settings.now.twoPhaseFailOpen;
      },
    };
  }

  get singleSession(): { enabled: boolean } {
    const settings = this;
    return {
      get enabled() {
        return settings.now.singleSession === 'on';
      },
    };
  }
}

/** Its flag without the dashes. */
function nameOf(name: SettingName): string {
  return flagName(name).slice(2);
}

function settingOf(name: string): SettingName {
  const found = LIVE_NAMES.find((candidate) => nameOf(candidate) === name);
  if (found === undefined) throw new ChatError('bad_frame', { say: `${name.slice(0, 100)}: is not a setting that can be changed` });
  return found;
}

function parse(name: SettingName, text: string): unknown {
  try {
    return SETTINGS[name].parse(text);
  } catch (error) {
    throw new ChatError('bad_frame', { say: `${nameOf(name)}: must be ${(error as Error).message}` });
  }
}
