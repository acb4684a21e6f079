import { useI18n } from '../hooks/use-i18n.ts';

const HUES = 8;

interface AvatarProps {
  /** Decides the colour: the same user has the same one everywhere. */
  readonly id: string;
  readonly name: string;
  /** A dot, when known and online. */
  readonly online?: boolean;
  readonly small?: boolean;
}

export function Avatar({ id, name, online = false, small = false }: AvatarProps) {
  const { t } = useI18n();
  return (
    <span className={`avatar hue-${hueOf(id)}${small ? ' small' : ''}`}>
      <span aria-hidden="true">{initial(name)}</span>
      {online && <span className="presence-dot" role="img" aria-label={t.online} />}
    </span>
  );
}

function hueOf(id: string): number {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % HUES;
}

function initial(name: string): string {
  const [first = '?'] = name;
  return first.toUpperCase();
}
