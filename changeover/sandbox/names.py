# ruff: noqa: RUF001 - Ukrainian letters are meant
"""What people, places and streets are called where the sandbox's customers live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Country:
    """Words of one language, from which its customers are made."""

    language: str
    families: tuple[str, ...]
    givens: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]  # postcode, name
    streets: tuple[str, ...]
    domains: tuple[str, ...]
    dialling: str


def _words(text: str) -> tuple[str, ...]:
    return tuple(" ".join(word.split()) for word in text.split(";"))


def _places(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (word.split(maxsplit=1) for word in text.split(";"))
    return tuple((postcode, " ".join(city.split())) for postcode, city in pairs)


HUNGARY: Final = Country(
    language="hu",
    families=_words(
        """
        Nagy; Kovács; Tóth; Szabó; Horváth; Varga; Kiss; Molnár; Németh; Farkas; Balogh; Papp; Takács;
        Juhász; Lakatos; Mészáros; Oláh; Simon; Rácz; Fekete; Szilágyi; Török; Fehér; Balázs; Gál; Kis;
        Szűcs; Kocsis; Orsós; Pintér; Fodor; Szalai; Sipos; Magyar; Lukács; Gulyás; Bíró; Király; Katona;
        Őze; Ördög; Úrházi; Bősze; Győrffy; Dessewffy; Kovács-Nagy; Cs. Szabó; Széchényi; Vörösmarty; Hűvös
        """
    ),
    givens=_words(
        """
        László; István; József; János; Zoltán; Sándor; Gábor; Ferenc; Attila; Péter; Tamás; Zsolt; Győző;
        Mária; Erzsébet; Katalin; Éva; Ilona; Anna; Zsuzsanna; Margit; Judit; Ágnes; Julianna; Andrea;
        Ildikó; Bence; Máté; Levente; Ádám; Dániel; Hanna; Zoé; Léna; Luca; Emma; Boglárka; Özséb; Ödön;
        Tünde
        """
    ),
    cities=_places(
        """
        1011 Budapest; 1138 Budapest; 4024 Debrecen; 6720 Szeged; 3525 Miskolc; 7621 Pécs; 9021 Győr; 4400
        Nyíregyháza; 6000 Kecskemét; 8000 Székesfehérvár; 9700 Szombathely; 2000 Szentendre; 9400 Sopron;
        8200 Veszprém; 5000 Szolnok; 7100 Szekszárd
        """
    ),
    streets=_words(
        """
        Kossuth Lajos utca; Petőfi Sándor utca; Rákóczi út; Dózsa György út; Ady Endre utca; Széchenyi tér;
        Fő utca; Váci út; Bartók Béla út; Táncsics Mihály utca; Árpád fejedelem útja; Szőlő köz; Gyümölcs
        dűlő; Hősök tere
        """
    ),
    domains=("posta.example", "level.example", "otthon.example"),
    dialling="+361",
)

UKRAINE: Final = Country(
    language="uk",
    families=_words(
        """
        Шевченко; Коваленко; Бондаренко; Ткаченко; Кравченко; Олійник; Шевчук; Коваль; Поліщук; Бондар;
        Мельник; Лисенко; Марченко; Савченко; Руденко; Петренко; Дем'яненко; Лук'яненко; Солов'яненко;
        Ґудзь; Їжакевич; Єременко; Ющенко; Гайовий; Нечуй-Левицький; Щербань; Юрків; Яремчук; Білецька;
        Заєць
        """
    ),
    givens=_words(
        """
        Олександр; Сергій; Володимир; Микола; Іван; Андрій; Василь; Юрій; Тарас; Богдан; Євген; Дмитро;
        Олена; Наталія; Тетяна; Ірина; Світлана; Оксана; Людмила; Марія; Соломія; Ярослава; Мар'яна; Ганна
        """
    ),
    cities=_places(
        """
        01001 Київ; 79000 Львів; 88000 Ужгород; 89600 Мукачево; 90202 Берегове; 76018 Івано-Франківськ;
        58000 Чернівці; 46001 Тернопіль; 33000 Рівне; 21050 Вінниця
        """
    ),
    streets=_words(
        """
        вул. Шевченка; вул. Лесі Українки; просп. Свободи; вул. Івана Франка; вул. Грушевського; пл. Ринок;
        вул. Соборна; бульв. Незалежності; вул. Об'їзна; пров. Затишний
        """
    ),
    domains=("poshta.example", "lyst.example"),
    dialling="+380312",
)

#: Notes as agents leave them: quotes, tabs, line ends, backslashes, characters of four bytes.
NOTES: Final = (
    "Csak 18 óra után hívható",
    "Просить рахунки українською",
    'Panaszt tett: "már harmadszor" (lásd #4711)',
    "kulcs a szomszédnál\nkutya van!",
    "régi kód: A\\B\\7",
    "hang\tzajos",
    "köszönte 🙂",
    "NULL",
    "ne hívja -- ' or 1=1",
    "  ",
)

#: Fixed-line tariffs: code, name, monthly fee, still sold.
FIXED_PRODUCTS: Final = (
    ("F-ALAP", "Alap előfizetés", "2490.00", True),
    ("F-PLUSZ", "Plusz előfizetés", "3990.00", True),
    ("F-UZLETI", "Üzleti fővonal", "6900.00", True),
    ("F-ISDN2", "ISDN 2 csatorna", "8450.50", False),
    ("F-ADSL8", "ADSL 8 Mbit/s", "4190.00", False),
    ("F-OPTIKA", "Optikai internet 300 Mbit/s", "5990.00", True),
    ("F-IPTV", "IPTV családi csomag", "3290.90", True),
    ("F-NYUGDIJ", "Nyugdíjas kedvezményes", "1490.00", True),
    ("F-UKR", "Дзвінки до України", "990.00", True),
    ("F-HANGPOSTA", "Hangposta", "0.00", True),
)

#: Mobile tariffs of the new CRM, there before anybody moves.
MOBILE_PRODUCTS: Final = (
    ("M-START", "Mobil Start", "1990.00", True),
    ("M-FAMILY", "Mobil Család", "4990.00", True),
    ("M-UNLIMITED", "Korlátlan mobil", "9990.00", True),
    ("M-KIDS", "Gyerek mobil", "990.00", False),
)
