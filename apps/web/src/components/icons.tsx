interface IconProps {
  readonly size?: number;
}

/** Drawn on a 24 grid in the text's colour; hidden from screen readers, so the button around it needs a label. */
function Icon({ d, size = 20 }: IconProps & { readonly d: string }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={d} />
    </svg>
  );
}

export function BackIcon(props: IconProps) {
  return <Icon {...props} d="M15 5l-7 7 7 7" />;
}

export function CloseIcon(props: IconProps) {
  return <Icon {...props} d="M6 6l12 12M18 6L6 18" />;
}

export function DownIcon(props: IconProps) {
  return <Icon {...props} d="M12 5v14M6 13l6 6 6-6" />;
}

export function SendIcon(props: IconProps) {
  return <Icon {...props} d="M5 12h13M12 5l7 7-7 7" />;
}

export function SearchIcon(props: IconProps) {
  return <Icon {...props} d="M10.500 4a6.500 6.500 0 1 1 0 13 6.500 6.500 0 0 1 0-13zM15.500 15.500L20 20" />;
}

export function PersonAddIcon(props: IconProps) {
  return (
    <Icon
      {...props}
      d="M10 5a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7zM3.500 20c.6-3.400 3.200-5 6.500-5s5.900 1.600 6.500 5M19 7v6M16 10h6"
    />
  );
}

export function GroupAddIcon(props: IconProps) {
  return (
    <Icon
      {...props}
      d="M8 6a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM2.500 19c.5-3 2.700-4.500 5.500-4.500s5 1.500 5.500 4.500M14 6.300a3 3 0 0 1 0 5.400M16.500 15c1 .5 1.700 1.300 2 2.500M20 7v6M17 10h6"
    />
  );
}

export function InfoIcon(props: IconProps) {
  return <Icon {...props} d="M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v5M12 8v.01" />;
}

export function SunIcon(props: IconProps) {
  return (
    <Icon
      {...props}
      d="M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8zM12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400"
    />
  );
}

export function MoonIcon(props: IconProps) {
  return <Icon {...props} d="M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z" />;
}

export function DevicesIcon(props: IconProps) {
  return (
    <Icon
      {...props}
      d="M4 15V6.500A1.500 1.500 0 0 1 5.500 5H19M2.500 18.500h9M16 9h4.500a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H16a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1z"
    />
  );
}

export function SignOutIcon(props: IconProps) {
  return <Icon {...props} d="M10 4H5v16h5M15 8l4 4-4 4M19 12H9" />;
}

export function ClockIcon(props: IconProps) {
  return <Icon {...props} d="M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM12 7.500V12l3 2" />;
}

export function TickIcon(props: IconProps) {
  return <Icon {...props} d="M6 12.500l4 4 8-9" />;
}

/** Between the clock and the tick. */
export function ClockTickIcon(props: IconProps) {
  return <Icon {...props} d="M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM8.300 12.300l2.700 2.700 4.800-5.400" />;
}

export function TicksIcon(props: IconProps) {
  return <Icon {...props} d="M2.500 12.500l4 4 8-9M11.500 15.300l1.200 1.200 8-9" />;
}

export function AlertIcon(props: IconProps) {
  return <Icon {...props} d="M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17zM12 7.500v5M12 16v.01" />;
}

export function LogoIcon(props: IconProps) {
  return <Icon {...props} d="M7 4h10a4 4 0 0 1 4 4v7a4 4 0 0 1-4 4h-5l-5 3.500V19a4 4 0 0 1-4-4V8a4 4 0 0 1 4-4zM8 9.500h8M8 13.500h8" />;
}
