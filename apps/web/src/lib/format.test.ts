import { expect, test } from 'vitest';
import { en } from '../i18n/en.ts';
import { zh } from '../i18n/zh.ts';
import { ago, clockTime, dayHeading, deviceName, listTime, nameList } from './format.ts';

const english = { tag: 'en-GB', t: { today: 'Today', yesterday: 'Yesterday', justNow: 'just now' } };
const chinese = { tag: 'zh-CN', t: { today: '今天', yesterday: '昨天', justNow: '刚刚' } };
const MINUTE_MS = 60_000;

const now = new Date(2026, 4, 13, 0, 1).getTime();
const at = (day: number, hour = 12, year = 2026) => new Date(year, 4, day, hour, 5).getTime();

test('two minutes ago, before midnight, is yesterday', () => {
  expect(dayHeading(now - 2 * MINUTE_MS, now, english)).toBe('Yesterday');
  expect(listTime(now - 2 * MINUTE_MS, now, chinese)).toBe('昨天');
});

test('headings name the day, and the year once it is another', () => {
  expect(dayHeading(now, now, chinese)).toBe('今天');
  expect(dayHeading(at(10), now, english)).toMatch(/^Sunday,? 10 May$/);
  expect(dayHeading(at(10), now, chinese)).toMatch(/5月10日.*星期日/);
  expect(dayHeading(at(10, 12, 2025), now, english)).toContain('2025');
});

test('the list is short: time, weekday, date', () => {
  expect(listTime(at(12, 23), at(12, 23), english)).toBe('23:05');
  expect(listTime(at(9), now, english)).toBe('Sat');
  expect(listTime(at(2), now, english)).toBe('2 May');
  expect(listTime(at(2, 12, 2025), now, english)).toContain('2025');
});

test('a clock that runs ahead shows a time, not tomorrow', () => {
  expect(listTime(at(14, 9), now, english)).toBe(clockTime(at(14, 9), english));
  expect(ago(now + MINUTE_MS, now, english)).toBe('just now');
});

test('last seen counts in the largest unit that fits', () => {
  expect(ago(now - 30_000, now, chinese)).toBe('刚刚');
  expect(ago(now - 5 * MINUTE_MS, now, english)).toBe('5 minutes ago');
  expect(ago(now - 3 * 60 * MINUTE_MS, now, english)).toBe('3 hours ago');
  expect(ago(now - 25 * 60 * MINUTE_MS, now, english)).toBe('yesterday');
});

test('names are joined the way the language does', () => {
  expect(nameList(['Ann', 'Bo', 'Cy'], english)).toBe('Ann, Bo and Cy');
  expect(nameList(['安', '波'], chinese)).toBe('安和波');
});

test.each([
  ['Chrome on Linux', 'Chrome on Linux', 'Linux 上的 Chrome'],
  ['Samsung Internet on Android', 'Samsung Internet on Android', 'Android 上的 Samsung Internet'],
  ['Grandma on the sofa', 'Grandma on the sofa', 'Grandma on the sofa'],
  ['curl/8.14.1', 'curl/8.14.1', 'curl/8.14.1'],
  ['', 'Unknown device', '未知设备'],
])('the device %j is %j, in Chinese %j', (label, english, chinese) => {
  expect([deviceName(label, { t: en }), deviceName(label, { t: zh })]).toEqual([english, chinese]);
});
